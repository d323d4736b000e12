/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <libmilter/mfapi.h>

#include "lib/log.h"
#include "lib/place.h"
#include "socket.h"

/* More than Postfix has SMTP servers: where the queue of connections is full,
 * their mail passes untagged. */
enum { BACKLOG = 1024 };

/* The path of a unix socket; NULL for one of the Internet. */
static const char *
socket_path(const char *name)
{
	if (strncmp(name, "unix:", 5) == 0)
		return name + 5;
	if (strncmp(name, "local:", 6) == 0)
		return name + 6;
	return NULL;
}

static const char *
inet_fault(const char *name)
{
	unsigned long port;
	char *end;

	if (strncmp(name, "inet:", 5) != 0 && strncmp(name, "inet6:", 6) != 0)
		return "is neither unix:/path nor inet:port@host";
	name = strchr(name, ':') + 1;
	errno = 0;
	port = strtoul(name, &end, 10);
	if (name[0] < '0' || name[0] > '9' || (*end != '\0' && *end != '@') ||
	    errno != 0 || port > UINT16_MAX)
		return "has no port number before the @";
	if (strcmp(end, "@") == 0)
		return "has no host behind the @";
	return NULL;
}

bool
socket_check(const char *name, char error[SOCKET_ERROR_SIZE])
{
	const char *path = socket_path(name), *fault = NULL;
	struct sockaddr_un addr;

	if (path == NULL)
		fault = inet_fault(name);
	else if (path[0] != '/')
		fault = "needs an absolute path";
	else if (strlen(path) >= sizeof(addr.sun_path))
		fault = "has a longer path than a socket can have";
	if (fault != NULL)
		snprintf(error, SOCKET_ERROR_SIZE,
		    "milter_socket: \"%.256s\" %s", name, fault);
	return fault == NULL;
}

/* Is a process listening there? -1 and errno when that cannot be told. */
static int
is_answered(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, rc, reason;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
	rc = connect(fd, (struct sockaddr *)&addr, sizeof(addr));
	reason = errno;
	close(fd);
	if (rc == 0 || reason == EAGAIN)
		return 1;
	errno = reason;
	return reason == ECONNREFUSED || reason == ENOENT ? 0 : -1;
}

/* NULL, or why there can be no socket. */
static const char *
place_fault(const char *path)
{
	struct stat st;

	if (!place_is_ours(path))
		return strerror(errno);
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return "is there already and is no socket";
	return NULL;
}

bool
socket_place_check(const char *name, char error[SOCKET_ERROR_SIZE])
{
	const char *path = socket_path(name);
	const char *fault = path != NULL ? place_fault(path) : NULL;

	if (fault != NULL)
		snprintf(error, SOCKET_ERROR_SIZE, "milter_socket: %.256s: %s",
		    name, fault);
	return fault == NULL;
}

/* Makes way for a new socket; returns NULL or what stands in the way. */
static const char *
remove_stale(const char *path)
{
	const char *fault = place_fault(path);

	if (fault != NULL)
		return fault;
	switch (is_answered(path)) {
	case 0:
		break;
	case 1:
		return "another process answers there";
	default:
		return strerror(errno);
	}
	if (unlink(path) == -1 && errno != ENOENT)
		return strerror(errno);
	return NULL;
}

/* libmilter tells why it cannot. */
static bool
listen_at(const char *name)
{
	bool ok;
	mode_t mask = umask(0117);

	ok = smfi_setbacklog(BACKLOG) == MI_SUCCESS &&
	    smfi_setconn((char *)(uintptr_t)name) == MI_SUCCESS &&
	    smfi_opensocket(false) == MI_SUCCESS;
	umask(mask);
	return ok;
}

/* A set-group-id directory has done it already. */
static void
give(const char *path, gid_t group)
{
	struct stat st;

	if (lstat(path, &st) == 0 && st.st_gid == group)
		return;
	if (chown(path, (uid_t)-1, group) == -1)
		log_warning(NULL,
		    "%s: not given to the mail system's group: %s", path,
		    strerror(errno));
}

bool
socket_open(const char *name, gid_t group, char error[SOCKET_ERROR_SIZE])
{
	const char *path = socket_path(name), *fault = NULL;

	if (path != NULL)
		fault = remove_stale(path);
	if (fault == NULL && !listen_at(name))
		fault = "libmilter cannot open it";
	if (fault != NULL) {
		snprintf(error, SOCKET_ERROR_SIZE, "milter_socket: %.256s: %s",
		    name, fault);
		return false;
	}
	if (path != NULL && group != (gid_t)-1)
		give(path, group);
	return true;
}

bool
socket_knock(const char *name)
{
	const char *path = socket_path(name);

	return path != NULL && is_answered(path) == 1;
}

void
socket_remove(const char *name)
{
	const char *path = socket_path(name);

	if (path != NULL)
		unlink(path);
}
