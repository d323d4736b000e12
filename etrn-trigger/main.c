/* SPDX-License-Identifier: ISC */
/*
 * etrn-trigger(8): starts the deliveries of waiting mail (RFC 1985). One
 * program, one mode a run; each mode has its file, see trigger.h.
 */
#include <sys/stat.h>

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/privileges.h"
#include "lib/streams.h"
#include "lib/version.h"
#include "trigger.h"

enum { BUSY_MS = 5000, WATCH_MAX = 3600 };

/* A mode's letter is that of its option; those in capitals have none to type.
 */
struct mode {
	trigger_mode *run;
	const char *options; /* the letters that go with it */
	char letter;         /* 0: no option, but names */
	bool names;          /* at least one, or else none */
	bool stores;         /* uses the databases, as their owner */
	bool unattended;     /* what it has to say goes to the log */
};

static const struct mode modes[] = {
	{ trigger_names, "aln", 0, true, true, false },
	{ trigger_probe, "nW", 'B', false, true, true },
	{ trigger_policy, "", 'Y', false, true, true },
	{ trigger_remote, "lSTP", 'R', true, false, false },
};

enum { MODES = sizeof(modes) / sizeof(modes[0]) };

static int
usage(FILE *to)
{
	fprintf(to,
	    "usage: etrn-trigger [-c FILE] [-n] [-a ADDRESS] [-l LOGIN] "
	    "NAME...\n"
	    "       etrn-trigger [-c FILE] [-n] --probe [--watch SECONDS]\n"
	    "       etrn-trigger [-c FILE] --policy\n"
	    "       etrn-trigger [-c FILE] --remote HOST[:PORT] NAME...\n"
	    "           [--starttls | --tls] [--login LOGIN "
	    "--password-file FILE]\n"
	    "       etrn-trigger --help | --version\n");
	return EX_USAGE;
}

static int
tell(int letter)
{
	if (letter == 'V')
		version_show("etrn-trigger");
	else
		usage(stdout);
	return streams_flush() ? EX_OK : EX_IOERR;
}

static bool
take_seconds(const char *text, long *seconds)
{
	char *end;

	errno = 0;
	*seconds = strtol(text, &end, 10);
	if (errno == 0 && end != text && *end == '\0' && *seconds > 0 &&
	    *seconds <= WATCH_MAX)
		return true;
	log_error(NULL, "--watch %s: not a number of seconds from 1 to %d",
	    text, WATCH_MAX);
	return false;
}

static const struct mode *
mode_of(int letter)
{
	for (int i = 1; i < MODES; i++)
		if (modes[i].letter == letter)
			return &modes[i];
	return NULL;
}

/* What an option says that is no mode. */
static bool
take_option(int letter, struct trigger *trigger, struct arguments *args)
{
	trigger->dry_run |= letter == 'n';
	args->starttls |= letter == 'S';
	args->tls |= letter == 'T';
	if (letter == 'a')
		args->address = optarg;
	else if (letter == 'l')
		args->login = optarg;
	else if (letter == 'P')
		args->password_file = optarg;
	return letter != 'W' || take_seconds(optarg, &args->watch);
}

/* The mode, and the letters of the options that came with it in `given`. NULL:
 * it has said what was wrong. */
static const struct mode *
take_options(int argc, char **argv, struct trigger *trigger, const char **path,
    struct arguments *args, char given[CHAR_MAX + 1])
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ "policy", no_argument, NULL, 'Y' },
		{ "probe", no_argument, NULL, 'B' },
		{ "remote", required_argument, NULL, 'R' },
		{ "watch", required_argument, NULL, 'W' },
		{ "login", required_argument, NULL, 'l' },
		{ "password-file", required_argument, NULL, 'P' },
		{ "starttls", no_argument, NULL, 'S' },
		{ "tls", no_argument, NULL, 'T' },
		{ NULL, 0, NULL, 0 },
	};
	const struct mode *mode = &modes[0];
	int letter;

	while ((letter = getopt_long(argc, argv, "a:c:hl:n", options, NULL)) !=
	    -1) {
		if (letter == 'h' || letter == 'V')
			exit(tell(letter));
		if (letter == '?')
			return NULL;
		if (letter == 'c')
			*path = optarg;
		else if (mode_of(letter) == NULL) {
			if (!take_option(letter, trigger, args))
				return NULL;
			if (strchr(given, letter) == NULL)
				given[strlen(given)] = (char)letter;
		} else if (mode != &modes[0]) {
			log_error(NULL, "more than one mode");
			return NULL;
		} else {
			mode = mode_of(letter);
			args->remote = optarg; /* or NULL */
		}
	}
	args->names = argv + optind;
	args->count = argc - optind;
	return mode;
}

/* Do the options and names go with the mode? */
static bool
fits(const struct mode *mode, const struct arguments *args, const char *given)
{
	if (given[strspn(given, mode->options)] != '\0')
		log_error(NULL, "an option does not go with this mode");
	else if (mode->names && args->count == 0)
		log_error(NULL, "a name is missing");
	else if (!mode->names && args->count > 0)
		log_error(
		    NULL, "\"%s\": this mode takes no names", args->names[0]);
	else
		return true;
	return false;
}

/* The databases belong to their user: what root makes there, others could not
 * write. It keeps the group that postqueue(1) needs. */
static void
become_user(const struct conf *conf)
{
	const struct group *group;
	char error[256];

	if (geteuid() != 0)
		return;
	group = getgrnam(conf->flush_group);
	if (group == NULL)
		fatal(EX_CONFIG, "flush_group: no such group: %s",
		    conf->flush_group);
	if (!privileges_drop(conf->user, group->gr_gid, error, sizeof(error)))
		fatal(EX_OSERR, "%s", error);
}

/* As spawn(8) has it: one connection is all three. A line of the log would be
 * part of an answer there. */
static bool
stderr_is_a_connection(void)
{
	struct stat in, err;

	return fstat(STDIN_FILENO, &in) == 0 &&
	    fstat(STDERR_FILENO, &err) == 0 && S_ISSOCK(err.st_mode) &&
	    in.st_dev == err.st_dev && in.st_ino == err.st_ino;
}

/* Who types it sees it; what cron(8) finds on standard error, it mails. */
static void
open_log(const struct mode *mode, const struct trigger *trigger)
{
	if (mode->unattended && !trigger->dry_run &&
	    trigger->conf.log == CONF_LOG_SYSLOG && !isatty(STDERR_FILENO))
		log_open("etrn-trigger", LOG_TO_SYSLOG);
}

int
main(int argc, char **argv)
{
	const char *path = CONF_DEFAULT_PATH;
	struct trigger trigger = { 0 };
	struct arguments args = { 0 };
	char error[CONF_ERROR_SIZE], given[CHAR_MAX + 1] = "";
	const struct mode *mode;
	int code;

	streams_occupy();
	log_open("etrn-trigger",
	    stderr_is_a_connection() ? LOG_TO_SYSLOG : LOG_TO_STDERR);
	signal(SIGPIPE, SIG_IGN);
	mode = take_options(argc, argv, &trigger, &path, &args, given);
	if (mode == NULL || !fits(mode, &args, given))
		return usage(stderr);
	/* A customer's machine may have none, and needs none. */
	if (!mode->stores && strcmp(path, CONF_DEFAULT_PATH) == 0 &&
	    access(path, F_OK) == -1 && errno == ENOENT)
		path = "/dev/null";
	if (!conf_load(&trigger.conf, path, error))
		fatal(EX_CONFIG, "%s", error);
	if (mode->stores) {
		become_user(&trigger.conf);
		trigger.store = store_new(&trigger.conf, BUSY_MS);
		if (trigger.store == NULL)
			fatal(EX_OSERR, "out of memory");
	}
	open_log(mode, &trigger);
	code = mode->run(&trigger, &args);
	if (!streams_flush()) {
		log_error(NULL, "standard output: write error");
		code = EX_IOERR;
	}
	store_free(&trigger.store);
	conf_free(&trigger.conf);
	return code;
}
