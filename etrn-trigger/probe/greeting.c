/* SPDX-License-Identifier: ISC */
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "greeting.h"
#include "lib/reply.h"

/* A postscreen(8) that does not know us holds its 220 back for 6 s, so a server
 * gets a little more than that from the connection's begin to its end. */
enum { CONNECT_MS = 4000, TOTAL_MS = 8000, BUFFER_SIZE = 1024 };

struct talk {
	int fd;
	int64_t until;
	char *why;
	size_t len; /* of what was read and not used yet */
	char bytes[BUFFER_SIZE];
};

static bool
fail(struct talk *talk, const char *what)
{
	snprintf(talk->why, GREETING_WHY_SIZE, "%s", what);
	return false;
}

/* False: the time is over. */
static bool
wait_for(struct talk *talk, short events, int64_t until)
{
	struct pollfd pfd = { .fd = talk->fd, .events = events };
	int64_t left;

	while ((left = until - clock_ms()) > 0)
		if (poll(&pfd, 1, (int)left) > 0)
			return true;
	return false;
}

static bool
open_line(struct talk *talk, const struct address *to)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (connect(talk->fd, (const struct sockaddr *)&to->addr, to->len) == 0)
		return true;
	if (errno != EINPROGRESS)
		return fail(talk, strerror(errno));
	if (!wait_for(talk, POLLOUT, clock_ms() + CONNECT_MS))
		return fail(talk, "no connection in time");
	if (getsockopt(talk->fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	return error == 0 || fail(talk, strerror(error));
}

static bool
fill(struct talk *talk)
{
	ssize_t n;

	if (talk->len == sizeof(talk->bytes))
		return fail(talk, "a line is too long");
	if (!wait_for(talk, POLLIN, talk->until))
		return fail(talk, "no answer in time");
	n = recv(talk->fd, talk->bytes + talk->len,
	    sizeof(talk->bytes) - talk->len, 0);
	if (n == 0)
		return fail(talk, "connection closed");
	if (n > 0)
		talk->len += (size_t)n;
	else if (errno != EAGAIN && errno != EINTR)
		return fail(talk, strerror(errno));
	return true;
}

/* The first line that was read goes into the reply. */
static enum reply_result
use_line(struct talk *talk, char *end, struct reply *reply)
{
	size_t used = (size_t)(end - talk->bytes) + 1, len = used - 1;
	enum reply_result result;

	if (len > 0 && talk->bytes[len - 1] == '\r')
		len--;
	talk->bytes[len] = '\0';
	result = reply_line(reply, talk->bytes, len);
	talk->len -= used;
	memmove(talk->bytes, end + 1, talk->len);
	return result;
}

static bool
read_reply(struct talk *talk, struct reply *reply)
{
	enum reply_result result;
	char *end;

	memset(reply, 0, sizeof(*reply));
	for (;;) {
		end = memchr(talk->bytes, '\n', talk->len);
		if (end == NULL) {
			if (!fill(talk))
				return false;
			continue;
		}
		result = use_line(talk, end, reply);
		if (result != REPLY_MORE)
			break;
	}
	return result == REPLY_DONE || fail(talk, "no SMTP reply");
}

static bool
refused(struct talk *talk, const char *what, const struct reply *reply)
{
	snprintf(talk->why, GREETING_WHY_SIZE, "%s %d %.120s", what,
	    reply->code, reply->text);
	return false;
}

/* Both commands fit into any socket's buffer. */
static bool
say(struct talk *talk, const char *verb, const char *operand)
{
	char line[300];
	int n = snprintf(line, sizeof(line), "%s%s\r\n", verb, operand);

	return send(talk->fd, line, (size_t)n, MSG_NOSIGNAL) == n ||
	    fail(talk, strerror(errno));
}

static bool
hold_talk(struct talk *talk, const char *myhostname)
{
	struct reply reply;

	if (!read_reply(talk, &reply))
		return false;
	if (reply.code != 220) {
		say(talk, "QUIT", "");
		return refused(talk, "greets with", &reply);
	}
	if (!say(talk, "EHLO ", myhostname) || !read_reply(talk, &reply))
		return false;
	/* Nobody waits for the answer. */
	say(talk, "QUIT", "");
	return reply_class(&reply) == 2 ||
	    refused(talk, "answers EHLO with", &reply);
}

bool
greeting_get(const struct address *to, const char *myhostname,
    char why[GREETING_WHY_SIZE])
{
	struct talk talk = { .until = clock_ms() + TOTAL_MS, .why = why };
	bool ok;

	talk.fd = socket(
	    to->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (talk.fd == -1)
		return fail(&talk, strerror(errno));
	ok = open_line(&talk, to) && hold_talk(&talk, myhostname);
	close(talk.fd);
	return ok;
}
