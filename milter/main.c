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
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include <libmilter/mfapi.h>

#include "conf.h"
#include "log.h"
#include "pidfile.h"
#include "record.h"
#include "socket.h"
#include "stages.h"

struct options {
	const char *conf_path;
	bool foreground;
	bool test;
};

static const char usage[] =
    "usage: odmr-milter [-fht] [-c file]\n"
    "  -c file  read this configuration instead of " CONF_DEFAULT_PATH "\n"
    "  -f       stay in the foreground and log to standard error\n"
    "  -h       show this\n"
    "  -t       check the configuration and exit\n";

static struct options
parse_options(int argc, char **argv)
{
	struct options options = { .conf_path = CONF_DEFAULT_PATH };
	int option;

	while ((option = getopt(argc, argv, "c:fht")) != -1) {
		switch (option) {
		case 'c':
			options.conf_path = optarg;
			break;
		case 'f':
			options.foreground = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(EX_OK);
		case 't':
			options.test = true;
			break;
		default:
			fputs(usage, stderr);
			exit(EX_USAGE);
		}
	}
	if (optind < argc) {
		fprintf(stderr,
		    "odmr-milter: \"%s\": no argument is expected\n",
		    argv[optind]);
		fputs(usage, stderr);
		exit(EX_USAGE);
	}
	return options;
}

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

/* Becomes conf->user, who may enter Postfix's group's directories. */
static void
drop_root(const struct conf *conf, gid_t postfix)
{
	const struct passwd *pw = getpwnam(conf->user);

	if (pw == NULL)
		fatal(EX_NOUSER, "user: no such user: %s", conf->user);
	if (setgroups(1, &postfix) == -1 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) == -1 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) == -1)
		fatal(EX_OSERR, "cannot become user %s: %s", conf->user,
		    strerror(errno));
}

static bool
logs_to_stderr(const struct conf *conf)
{
	return strcmp(conf->log, "stderr") == 0;
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
	if (geteuid() == 0)
		drop_root(conf, group);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		fatal(EX_OSERR, "no_new_privs: %s", strerror(errno));
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
	sigwait(&ends, &number);
	return !failed;
}

int
main(int argc, char **argv)
{
	struct options options = parse_options(argc, argv);
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
	socket_remove(conf.milter_socket);
	record_stop();
	log_info(NULL, ok ? "stopped" : "stopped: libmilter failed");
	pid_file_remove(conf.milter_pid_file, pid_fd);
	conf_free(&conf);
	return ok ? EX_OK : EX_SOFTWARE;
}
