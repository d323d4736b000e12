/* SPDX-License-Identifier: ISC */
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "connect.h"
#include "daemon.h"
#include "process.h"

enum {
	SECONDS = 10,
	COMMAND_SIZE = 300,
	LINE_SIZE = 1024,
	ANSWER_MOST = 16 << 20, /* more than 50,000 sessions */
};

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

/* What comes, and how much more may come until when. */
struct answer {
	int fd;
	int64_t until;
	size_t room;
	size_t len;
	char bytes[LINE_SIZE];
};

/* NULL, or what is wrong. */
static const char *
read_more(struct answer *in)
{
	struct pollfd ready = { .fd = in->fd, .events = POLLIN };
	int64_t left = in->until - clock_ms();
	ssize_t n;

	if (left <= 0 || poll(&ready, 1, (int)left) == 0)
		return "no answer in time";
	n = read(in->fd, in->bytes + in->len, sizeof(in->bytes) - in->len);
	if (n <= 0)
		return "no answer";
	if ((size_t)n > in->room)
		return "its answer does not end";
	in->room -= (size_t)n;
	in->len += (size_t)n;
	return NULL;
}

/* The next line in `line`: NULL, or what is wrong. */
static const char *
read_line(struct answer *in, char line[LINE_SIZE])
{
	const char *fault, *end;
	size_t len;

	while ((end = memchr(in->bytes, '\n', in->len)) == NULL) {
		if (in->len == sizeof(in->bytes))
			return "a line of its answer does not end";
		fault = read_more(in);
		if (fault != NULL)
			return fault;
	}
	len = (size_t)(end - in->bytes);
	memcpy(line, in->bytes, len);
	line[len] = '\0';
	in->len -= len + 1;
	memmove(in->bytes, end + 1, in->len);
	return NULL;
}

/* Reads the answer up to its last line. */
static enum daemon_answer
hear(int fd, daemon_line *visit, void *arg, char fault[DAEMON_FAULT_SIZE])
{
	struct answer in = { .fd = fd,
		.until = clock_ms() + SECONDS * INT64_C(1000),
		.room = ANSWER_MOST };
	char line[LINE_SIZE];
	const char *error;

	while ((error = read_line(&in, line)) == NULL) {
		if (daemon_behind(line, "ok") != NULL)
			return DAEMON_OK;
		error = daemon_behind(line, "error");
		if (error != NULL)
			break;
		if (visit != NULL)
			visit(line, arg);
	}
	strlcpy(fault, error, DAEMON_FAULT_SIZE);
	return DAEMON_SILENT;
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
	enum daemon_answer answer = DAEMON_SILENT;
	char name[DAEMON_FAULT_SIZE];
	int fd;

	snprintf(name, sizeof(name), "unix:%s", conf->control_socket);
	fd = connect_socket(name, SECONDS, fault);
	if (fd < 0)
		return process_of_file(conf->pid_file, "odmrd") ? DAEMON_SILENT
								: DAEMON_AWAY;
	if (say(fd, command))
		answer = hear(fd, visit, arg, fault);
	else
		strlcpy(fault, strerror(errno), DAEMON_FAULT_SIZE);
	close(fd);
	return answer;
}
