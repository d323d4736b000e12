/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "control.h"
#include "lib/address.h"
#include "lib/log.h"
#include "lib/place.h"
#include "lib/postfix/postmap.h"
#include "lib/privileges.h"
#include "lib/store/store.h"
#include "odmrd/client/submission/submission.h"
#include "start.h"

enum { ERROR_SIZE = 512 };

bool
start_load_tls(
    const struct conf *conf, struct tls **tls, char *error, size_t size)
{
	*tls = NULL;
	if (conf->tls_cert_file[0] != '\0')
		*tls = tls_new(
		    conf->tls_cert_file, conf->tls_key_file, error, size);
	else if (conf->listen_tls[0] != '\0')
		snprintf(
		    error, size, "listen_tls: needs tls_cert_file to be set");
	else
		return true;
	return *tls != NULL;
}

struct tls *
start_tls(const struct conf *conf)
{
	char error[ERROR_SIZE];
	struct tls *tls;

	if (!start_load_tls(conf, &tls, error, sizeof(error)))
		fatal(EX_CONFIG, "%s", error);
	return tls;
}

uid_t
start_postfix_uid(const struct conf *conf)
{
	struct passwd *pw = getpwnam(conf->postfix_user);

	if (pw == NULL)
		fatal(EX_NOUSER, "postfix_user: no such user: %s",
		    conf->postfix_user);
	return pw->pw_uid;
}

void
start_check_values(const struct conf *conf)
{
	char error[ERROR_SIZE];

	if (!control_check(conf->control_socket, error, sizeof(error)))
		fatal(EX_CONFIG, "control_socket: %s", error);
	if (!submission_check(conf, error, sizeof(error)))
		fatal(EX_CONFIG, "submission_server: %s", error);
}

void
start_become_user(const struct conf *conf)
{
	char error[ERROR_SIZE];
	struct group *group = getgrnam(conf->flush_group);

	if (group == NULL && geteuid() == 0)
		fatal(EX_NOUSER, "flush_group: no such group: %s",
		    conf->flush_group);
	if (!privileges_drop(conf->user, group != NULL ? group->gr_gid : 0,
		error, sizeof(error)))
		fatal(EX_OSERR, "%s", error);
}

int
start_enter_sockets(const struct conf *conf)
{
	int dir =
	    open(conf->socket_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir == -1 || fchdir(dir) == -1)
		fatal(EX_CONFIG, "socket_directory: %s: %s",
		    conf->socket_directory, strerror(errno));
	return dir;
}

void
start_check_sockets(const struct conf *conf)
{
	if (access(".", R_OK | W_OK | X_OK) == -1)
		fatal(EX_NOPERM, "socket_directory: %s: %s",
		    conf->socket_directory, strerror(errno));
}

void
start_look_at_database(const struct conf *conf)
{
	char error[ERROR_SIZE];

	if (!store_is_usable(conf, error, sizeof(error)))
		log_error(NULL, "database: %s", error);
}

/* ---- -t ------------------------------------------------------------------ */

static void
check_database(const struct conf *conf)
{
	char error[ERROR_SIZE];

	if (!store_is_usable(conf, error, sizeof(error)))
		fatal(EX_UNAVAILABLE, "database: %s", error);
}

static void
check_addresses(const char *name, const char *list)
{
	char error[ERROR_SIZE];
	struct address address;
	int found;

	while (
	    (found = address_next(&list, &address, error, sizeof(error))) > 0)
		continue;
	if (found < 0)
		fatal(EX_CONFIG, "%s: %s", name, error);
}

static void
check_place(const char *name, const char *path)
{
	if (!place_is_ours(path))
		fatal(EX_CANTCREAT, "%s: %s: %s", name, path, strerror(errno));
}

static void
check_table(const char *name, const char *table)
{
	char error[POSTMAP_ERROR_SIZE];

	if (!postmap_is_ours(table, error))
		fatal(EX_UNAVAILABLE, "%s: %s", name, error);
}

void
start_check(const struct conf *conf, const char *path)
{
	struct tls *tls;

	check_addresses("listen", conf->listen);
	check_addresses("listen_tls", conf->listen_tls);
	start_check_values(conf);
	start_postfix_uid(conf);
	check_place("pid_file", conf->pid_file);
	start_become_user(conf);
	/* A reload reads it again, and systemd starts as this user. */
	if (access(path, R_OK) == -1)
		fatal(EX_CONFIG, "%s: %s", path, strerror(errno));
	check_place("control_socket", conf->control_socket);
	check_database(conf);
	check_table("domain_table", conf->domain_table);
	check_table("etrn_table", conf->etrn_table);
	tls = start_tls(conf);
	tls_free(&tls);
	start_enter_sockets(conf);
	start_check_sockets(conf);
}
