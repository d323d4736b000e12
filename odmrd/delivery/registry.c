/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "customer.h"
#include "odmrd/net/listener.h"
#include "lmtp.h"
#include "lib/log.h"
#include "registry.h"

struct registry {
	struct server *server;
	void *claims; /* a tsearch(3) tree by name */
};

static int
compare(const void *a, const void *b)
{
	return strcmp(
	    ((const struct claim *)a)->name, ((const struct claim *)b)->name);
}

struct registry *
registry_new(struct server *server)
{
	struct registry *registry = calloc(1, sizeof(*registry));

	if (registry != NULL)
		registry->server = server;
	return registry;
}

void
registry_free(struct registry **registry)
{
	free(*registry);
	*registry = NULL;
}

/* Ours are named by a domain or d<number>; others may live here too. */
static bool
is_socket_name(const char *name)
{
	char canonical[DOMAIN_SIZE];

	if (name[0] == 'd' && name[1] != '\0' &&
	    name[1 + strspn(name + 1, "0123456789")] == '\0')
		return true;
	return domain_canonical(name, strlen(name), canonical, NULL);
}

void
registry_sweep(void)
{
	DIR *dir = opendir(".");
	struct dirent *file;
	struct stat st;

	if (dir == NULL) {
		log_warning(NULL, "socket_directory: %s", strerror(errno));
		return;
	}
	while ((file = readdir(dir)) != NULL)
		if (is_socket_name(file->d_name) &&
		    lstat(file->d_name, &st) == 0 && S_ISSOCK(st.st_mode) &&
		    unlink(file->d_name) == -1)
			log_warning(NULL, "stale socket %s: %s", file->d_name,
			    strerror(errno));
	closedir(dir);
}

static void
on_postfix(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
{
	struct claim *claim = arg;
	struct server *server = claim->customer->server;
	uid_t uid = peer_uid(fd);

	(void)peer;
	(void)len;
	if (uid != server->postfix_uid) {
		log_warning(claim->customer->who.id,
		    "refused: uid %ld on the socket of %s is not Postfix",
		    (long)uid, claim->name);
		close(fd);
		return;
	}
	lmtp_accept(claim->customer, claim->name, fd);
}

enum claim_result
registry_claim(struct registry *registry, struct customer *customer,
    const char *name, const char *socket)
{
	struct claim *claim = calloc(1, sizeof(*claim)), **found;

	if (claim == NULL)
		return CLAIM_FAILED;
	claim->customer = customer;
	strcpy(claim->name, name);
	found = tsearch(claim, &registry->claims, compare);
	if (found == NULL || *found != claim) {
		free(claim);
		return found == NULL ? CLAIM_FAILED : CLAIM_TAKEN;
	}
	claim->listener =
	    listener_unix(registry->server->loop, socket, on_postfix, claim);
	if (claim->listener == NULL) {
		log_error(customer->who.id, "socket %s in %s: %s", socket,
		    registry->server->conf->socket_directory, strerror(errno));
		tdelete(claim, &registry->claims, compare);
		free(claim);
		return CLAIM_FAILED;
	}
	TAILQ_INSERT_TAIL(&customer->claims, claim, entry);
	return CLAIM_OK;
}

struct customer *
registry_find(struct registry *registry, const char *name)
{
	struct claim key, **found;

	strcpy(key.name, name);
	found = tfind(&key, &registry->claims, compare);
	return found != NULL ? (*found)->customer : NULL;
}

void
registry_release(struct registry *registry, struct customer *customer)
{
	struct claim *claim;

	while ((claim = TAILQ_FIRST(&customer->claims)) != NULL) {
		TAILQ_REMOVE(&customer->claims, claim, entry);
		tdelete(claim, &registry->claims, compare);
		listener_free(&claim->listener);
		loop_bury(registry->server->loop, &claim->grave, free, claim);
	}
}
