/* SPDX-License-Identifier: ISC */
#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connect.h"
#include "daemon.h"
#include "process.h"

enum { SECONDS = 30, COMMAND_SIZE = 300 };

const char *
daemon_behind(const char *line, const char *word)
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
		error = daemon_behind(line, "error");
		if (error != NULL) {
			strlcpy(fault, error, DAEMON_FAULT_SIZE);
			break;
		}
		if (daemon_behind(line, "ok") != NULL)
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
	char line[COMMAND_SIZE];
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
	fd = connect_socket(name, SECONDS, fault);
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
