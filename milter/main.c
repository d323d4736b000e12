/* SPDX-License-Identifier: ISC */
/*
 * odmr-milter(8): notes each message for a relay domain in the database.
 * Postfix calls it as a milter over milter_socket; it changes nothing in the
 * mail and refuses none.
 *
 * Whatever can be wrong with the set-up is found before the program leaves the
 * terminal: when it returns, or when the pid file has its number, the socket
 * takes connections. SIGTERM ends it.
 */
#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <libmilter/mfapi.h>

#include "conf.h"
#include "log.h"
#include "notify.h"
#include "options.h"
#include "pidfile.h"
#include "privileges.h"
#include "record.h"
#include "socket.h"
#include "stages.h"

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
	if (!privileges_drop(conf->user, group, error, sizeof(error)))
		fatal(EX_OSERR, "%s", error);
	if (!stages_register())
		fatal(EX_SOFTWARE, "libmilter does not take the filter");
	if (!socket_open(conf->milter_socket, group, error))
		fatal(EX_UNAVAILABLE, "%s", error);
	if (!foreground && daemon(0, logs_to_stderr(conf)) == -1)
		fatal(
		    EX_OSERR, "cannot leave the terminal: %s", strerror(errno));
	if (!record_start(conf))
		fatal(EX_OSERR, "out of memory");
	if (!pid_file_write(pid_fd))
		fatal(EX_CANTCREAT, "milter_pid_file: %s: %s",
		    conf->milter_pid_file, strerror(errno));
	return pid_fd;
}

static atomic_bool failed;

static void *
serve(void *main_thread)
{
	failed = smfi_main() != MI_SUCCESS;
	pthread_kill(*(pthread_t *)main_thread, SIGTERM);
	return NULL;
}

/*
 * Returns when SIGTERM comes, or when libmilter gives up. libmilter's own way
 * of ending takes up to five seconds; sessions that are still there then need
 * no goodbye, for Postfix accepts their mail without a milter, too. The kernel
 * offers a signal to the main thread first.
 */
static bool
serve_until_told(void)
{
	pthread_t self = pthread_self(), thread;
	sigset_t ends;
	int number;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	if (pthread_create(&thread, NULL, serve, &self) != 0)
		return false;
	notify_ready();
	sigwait(&ends, &number);
	return !failed;
}

int
main(int argc, char **argv)
{
	struct options options = options_parse("odmr-milter", argc, argv);
	struct conf conf;
	int pid_fd;
	bool ok;

	log_open("odmr-milter", LOG_TO_STDERR);
	load(&conf, options.conf_path);
	if (options.test) {
		conf_free(&conf);
		return EX_OK;
	}
	pid_fd = start(&conf, options.foreground);
	if (!options.foreground && !logs_to_stderr(&conf))
		log_open("odmr-milter", LOG_TO_SYSLOG);
	log_info(NULL, "started on %s", conf.milter_socket);
	ok = serve_until_told();
	notify_stopping();
	socket_remove(conf.milter_socket);
	record_stop();
	log_info(NULL, ok ? "stopped" : "stopped: libmilter failed");
	pid_file_remove(conf.milter_pid_file, pid_fd);
	conf_free(&conf);
	return ok ? EX_OK : EX_SOFTWARE;
}
