/* SPDX-License-Identifier: ISC */
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon.h"
#include "process.h"
#include "reaching.h"

enum { SECONDS = 30 };

/* What is left of `line` behind the word; NULL: it begins otherwise. */
static const char *
behind(const char *line, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(line, word, len) != 0)
		return NULL;
	return line[len] == '\0' ? line + len
	    : line[len] == ' '   ? line + len + 1
				 : NULL;
}

/* Reads the answer up to its last line. */
static enum daemon_answer
hear(FILE *in, daemon_line *visit, void *arg, char fault[DAEMON_FAULT_SIZE])
{
	enum daemon_answer answer = DAEMON_SILENT;
	const char *error;
	char *line = NULL;
	size_t size = 0;

	strlcpy(fault, "no answer", DAEMON_FAULT_SIZE);
	while (answer == DAEMON_SILENT && getline(&line, &size, in) > 0) {
		line[strcspn(line, "\n")] = '\0';
		error = behind(line, "error");
		if (error != NULL) {
			strlcpy(fault, error, DAEMON_FAULT_SIZE);
			break;
		}
		if (behind(line, "ok") != NULL)
			answer = DAEMON_OK;
		else if (visit != NULL)
			visit(line, arg);
	}
	free(line);
	return answer;
}

/* It may hang up at once, which is no reason to die. */
static bool
say(int fd, const char *command)
{
	char line[DAEMON_FAULT_SIZE];
	int len = snprintf(line, sizeof(line), "%s\n", command);

	return send(fd, line, (size_t)len, MSG_NOSIGNAL) == len;
}

enum daemon_answer
daemon_ask(const struct conf *conf, const char *command, daemon_line *visit,
    void *arg, char fault[DAEMON_FAULT_SIZE])
{
	enum daemon_answer answer;
	char name[DAEMON_FAULT_SIZE];
	FILE *daemon;
	int fd;

	snprintf(name, sizeof(name), "unix:%s", conf->control_socket);
	fd = reaching_socket(name, SECONDS, fault);
	if (fd < 0)
		return process_of_file_runs(conf->pid_file, "odmrd")
		    ? DAEMON_SILENT
		    : DAEMON_AWAY;
	daemon = say(fd, command) ? fdopen(fd, "r") : NULL;
	if (daemon == NULL) {
		strlcpy(fault, strerror(errno), DAEMON_FAULT_SIZE);
		close(fd);
		return DAEMON_SILENT;
	}
	answer = hear(daemon, visit, arg, fault);
	fclose(daemon);
	return answer;
}

static void
tell_ended(const char *line, void *arg)
{
	const char *id = behind(line, "ended"), *login;
	struct context *ctx = arg;

	login = id != NULL ? strchr(id, ' ') : NULL;
	if (login != NULL)
		fprintf(ctx->out, "session %.*s of account %s ended\n",
		    (int)(login - id), id, login + 1);
}

int
daemon_recheck(struct context *ctx)
{
	char fault[DAEMON_FAULT_SIZE];

	if (daemon_ask(&ctx->conf, "recheck", tell_ended, ctx, fault) !=
	    DAEMON_SILENT)
		return EX_OK;
	say_now(ctx);
	return complain(EX_UNAVAILABLE,
	    "it is done, but odmrd cannot be told, and ends the sessions that "
	    "it concerns within a minute: %s: %s",
	    ctx->conf.control_socket, fault);
}
