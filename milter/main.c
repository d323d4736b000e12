/* SPDX-License-Identifier: ISC */
/*
 * odmr-milter(8): notes each message for a relay domain in the database.
 * Postfix calls it as a milter over milter_socket; it changes nothing in the
 * mail and refuses none.
 *
 * Whatever can be wrong with the set-up is found before the program leaves the
 * terminal: when it returns, or when the pid file has its number, the socket
 * takes connections. SIGHUP has the configuration read again, SIGTERM ends it.
 */
#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <libmilter/mfapi.h>

#include "complaint.h"
#include "conf.h"
#include "log.h"
#include "notify.h"
#include "options.h"
#include "pidfile.h"
#include "privileges.h"
#include "reload.h"
#include "socket.h"
#include "stages.h"
#include "writer.h"

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

static sem_t wake;
static atomic_bool told_to_stop, told_to_reload, failed;

static void
on_signal(int number)
{
	int saved = errno;

	if (number == SIGHUP)
		told_to_reload = true;
	else
		told_to_stop = true;
	sem_post(&wake);
	errno = saved;
}

/*
 * libmilter has a thread that waits for the same signals, and would end at
 * SIGHUP as well. The kernel offers a signal to the main thread first, and gets
 * it taken where that does not block it: so it never does, not in its handler
 * either, while all other threads do.
 */
static bool
catch_signals(void)
{
	struct sigaction action = {
		.sa_handler = on_signal,
		.sa_flags = SA_NODEFER | SA_RESTART,
	};

	return sem_init(&wake, 0, 0) == 0 &&
	    sigaction(SIGTERM, &action, NULL) == 0 &&
	    sigaction(SIGINT, &action, NULL) == 0 &&
	    sigaction(SIGHUP, &action, NULL) == 0;
}

static void *
serve(void *unused)
{
	(void)unused;
	failed = smfi_main() != MI_SUCCESS;
	told_to_stop = true;
	sem_post(&wake);
	return NULL;
}

/* Writer and server inherit the mask that the main thread has meanwhile. */
static bool
start_threads(const struct conf *conf)
{
	sigset_t signals;
	pthread_t thread;
	bool ok;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	ok = writer_start(conf) &&
	    pthread_create(&thread, NULL, serve, NULL) == 0;
	pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
	return ok;
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
	if (!catch_signals() || !start_threads(conf))
		fatal(EX_OSERR, "cannot start: %s", strerror(errno));
	if (!pid_file_write(pid_fd))
		fatal(EX_CANTCREAT, "milter_pid_file: %s: %s",
		    conf->milter_pid_file, strerror(errno));
	return pid_fd;
}

/*
 * Returns when SIGTERM comes, or when libmilter gives up. libmilter's own way
 * of ending takes up to five seconds; sessions that are still there then need
 * no goodbye, for Postfix accepts their mail without a milter, too.
 */
static void
serve_until_told(const struct conf *conf)
{
	notify_ready();
	while (!told_to_stop) {
		if (atomic_exchange(&told_to_reload, false))
			reload(conf);
		else
			sem_wait(&wake);
	}
}

int
main(int argc, char **argv)
{
	struct options options = options_parse("odmr-milter", argc, argv);
	struct conf conf;
	int pid_fd;

	log_open("odmr-milter", LOG_TO_STDERR);
	load(&conf, options.conf_path);
	if (options.test) {
		conf_free(&conf);
		return EX_OK;
	}
	if (!reload_init(options.conf_path))
		fatal(EX_CONFIG, "%s: %s", options.conf_path, strerror(errno));
	pid_fd = start(&conf, options.foreground);
	if (!options.foreground && !logs_to_stderr(&conf))
		log_open("odmr-milter", LOG_TO_SYSLOG);
	log_info(NULL, "started on %s", conf.milter_socket);
	serve_until_told(&conf);
	notify_stopping();
	socket_remove(conf.milter_socket);
	writer_stop();
	complaint_end();
	log_info(NULL, failed ? "stopped: libmilter failed" : "stopped");
	pid_file_remove(conf.milter_pid_file, pid_fd);
	reload_free();
	conf_free(&conf);
	return failed ? EX_SOFTWARE : EX_OK;
}
