/* SPDX-License-Identifier: ISC */
/*
 * odmr-milter(8): notes each message for a relay domain in the database.
 * Postfix calls it as a milter over milter_socket; it changes nothing in the
 * mail and refuses none.
 *
 * Whatever can be wrong with the set-up is found before the program leaves the
 * terminal: when it returns, or when the pid file has its number, the socket
 * takes connections. SIGUSR1 has the configuration read again, SIGTERM ends it.
 */
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <syslog.h>
#include <unistd.h>

#include "complaint.h"
#include "filter.h"
#include "lib/conf.h"
#include "lib/log.h"
#include "lib/notify.h"
#include "lib/options.h"
#include "lib/pidfile.h"
#include "lib/place.h"
#include "lib/privileges.h"
#include "reload.h"
#include "server.h"
#include "lib/store/store.h"
#include "lib/streams.h"
#include "socket.h"
#include "tagger.h"

static void
load(struct conf *conf, const char *path)
{
	char error[CONF_ERROR_SIZE], fault[SOCKET_ERROR_SIZE];

	if (!conf_load(conf, path, error))
		fatal(EX_CONFIG, "%s", error);
	if (!socket_check(conf->milter_socket, fault))
		fatal(EX_CONFIG, "%s: %s", path, fault);
}

/* The group that Postfix connects with; -1 if it is not known here. */
static gid_t
postfix_group(const struct conf *conf)
{
	const struct passwd *pw = getpwnam(conf->postfix_user);

	if (pw != NULL)
		return pw->pw_gid;
	if (geteuid() == 0)
		fatal(EX_NOUSER, "postfix_user: no such user: %s",
		    conf->postfix_user);
	return (gid_t)-1;
}

static void
become_user(const struct conf *conf, gid_t group)
{
	char error[SOCKET_ERROR_SIZE];

	if (!privileges_drop(conf->user, group, error, sizeof(error)))
		fatal(EX_OSERR, "%s", error);
}

/* -t: would it start, and could it write its tags, as the user that it becomes?
 * Returns if so, as this user. */
static void
check(const struct conf *conf, const char *path)
{
	gid_t group = postfix_group(conf);
	char error[SOCKET_ERROR_SIZE];

	if (!place_is_ours(conf->milter_pid_file))
		fatal(EX_CANTCREAT, "milter_pid_file: %s: %s",
		    conf->milter_pid_file, strerror(errno));
	become_user(conf, group);
	/* A reload reads it again, and systemd starts as this user. */
	if (access(path, R_OK) == -1)
		fatal(EX_CONFIG, "%s: %s", path, strerror(errno));
	if (!socket_place_check(conf->milter_socket, error))
		fatal(EX_UNAVAILABLE, "%s", error);
	if (!store_is_usable(conf, error, sizeof(error)))
		fatal(EX_UNAVAILABLE, "database: %s", error);
}

static bool
logs_to_stderr(const struct conf *conf)
{
	return conf->log == CONF_LOG_STDERR;
}

/* Opens all that the milter needs and leaves the terminal; returns the pid
 * file's descriptor. */
static int
start(const struct conf *conf, bool foreground)
{
	char error[SOCKET_ERROR_SIZE], pid_error[PID_ERROR_SIZE];
	gid_t group = postfix_group(conf);
	int pid_fd = pid_file_open(conf->milter_pid_file, pid_error);

	if (pid_fd == -1)
		fatal(EX_CANTCREAT, "milter_pid_file: %s", pid_error);
	become_user(conf, group);
	if (!filter_register() ||
	    !socket_open(conf->milter_socket, group, error))
		fatal(EX_UNAVAILABLE, "%s", error);
	/* Tags wait for it in memory: who starts the milter reads why. */
	if (!store_is_usable(conf, error, sizeof(error)))
		log_error(NULL, "database: %s", error);
	if (!foreground && daemon(0, logs_to_stderr(conf)) == -1)
		fatal(
		    EX_OSERR, "cannot leave the terminal: %s", strerror(errno));
	server_init();
	if (!tagger_start(conf) || !server_start(conf->milter_socket))
		fatal(EX_OSERR, "cannot start: %s", strerror(errno));
	if (!pid_file_write(pid_fd))
		fatal(EX_CANTCREAT, "milter_pid_file: %s: %s",
		    conf->milter_pid_file, strerror(errno));
	return pid_fd;
}

static void
on_reload(void *conf)
{
	reload(conf);
}

int
main(int argc, char **argv)
{
	struct options options = options_parse("odmr-milter", argc, argv);
	struct conf conf;
	int pid_fd;
	bool ok, ended;

	streams_occupy();
	log_open("odmr-milter", LOG_TO_STDERR);
	/* What libmilter says is seen there as well. */
	openlog("odmr-milter", LOG_PERROR | LOG_PID, LOG_MAIL);
	load(&conf, options.conf_path);
	if (options.test) {
		check(&conf, options.conf_path);
		conf_free(&conf);
		return EX_OK;
	}
	if (!reload_init(options.conf_path))
		fatal(EX_CONFIG, "%s: %s", options.conf_path, strerror(errno));
	/* Whoever reads the log may go away. */
	signal(SIGPIPE, SIG_IGN);
	pid_fd = start(&conf, options.foreground);
	if (!options.foreground && !logs_to_stderr(&conf))
		log_open("odmr-milter", LOG_TO_SYSLOG);
	log_info(NULL, "started on %s", conf.milter_socket);
	notify_ready();
	ok = server_run(conf.milter_socket, on_reload, &conf);
	if (!ok)
		log_error(NULL, "libmilter has ended");
	notify_stopping();
	socket_remove(conf.milter_socket);
	ended = tagger_stop();
	complaint_end();
	log_info(NULL, "stopped");
	pid_file_remove(conf.milter_pid_file, pid_fd);
	reload_free();
	if (ended)
		conf_free(&conf);
	return ok ? EX_OK : EX_OSERR;
}
