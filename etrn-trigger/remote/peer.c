/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "peer.h"

static int
lose(struct peer *peer)
{
	peer->lost = true;
	log_error(NULL, "%s: %s", peer->host, peer->wire.fault);
	return EX_UNAVAILABLE;
}

static int
find_senseless(struct peer *peer, const char *what)
{
	peer->lost = true;
	log_error(NULL, "%s: %s", peer->host, what);
	return EX_PROTOCOL;
}

static int64_t
deadline(const struct peer *peer)
{
	return clock_ms() + (int64_t)peer->seconds * 1000;
}

int
peer_open(struct peer *peer, const char *host, const char *port)
{
	*peer = (struct peer) { .host = host, .seconds = PEER_REPLY_SECONDS };
	if (wire_open(&peer->wire, host, port, PEER_CONNECT_SECONDS))
		return EX_OK;
	peer->lost = true;
	log_error(NULL, "%s: cannot connect to port %s: %s", host, port,
	    peer->wire.fault);
	return EX_UNAVAILABLE;
}

/* Nobody wants to hear whether that went well. */
static void
quit(struct peer *peer)
{
	int64_t until = clock_ms() + PEER_QUIT_SECONDS * 1000;

	if (wire_write(&peer->wire, "QUIT\r\n", 6, until))
		wire_read(&peer->wire, peer->bytes, sizeof(peer->bytes), until);
}

void
peer_close(struct peer *peer)
{
	if (!peer->lost)
		quit(peer);
	peer->lost = true;
	wire_close(&peer->wire);
}

int
peer_encrypt(struct peer *peer, bool verify)
{
	if (wire_encrypt(&peer->wire, peer->host, verify, deadline(peer)))
		return EX_OK;
	return lose(peer);
}

bool
peer_is_early(const struct peer *peer)
{
	return peer->begin < peer->end;
}

/* ---- lines ------------------------------------------------------------- */

int
peer_say(struct peer *peer, const char *fmt, ...)
{
	char *line = NULL;
	va_list ap;
	bool said;
	int len;

	va_start(ap, fmt);
	len = vasprintf(&line, fmt, ap);
	va_end(ap);
	if (len < 0) {
		log_error(NULL, "out of memory");
		return EX_OSERR;
	}
	said = wire_write(&peer->wire, line, (size_t)len, deadline(peer)) &&
	    wire_write(&peer->wire, "\r\n", 2, deadline(peer));
	/* It may have been a password. */
	explicit_bzero(line, (size_t)len);
	free(line);
	return said ? EX_OK : lose(peer);
}

/* Reads on until a line is whole; NULL in `*line` if none came. */
static int
next_line(struct peer *peer, char **line, int64_t until)
{
	char *start = peer->bytes + peer->begin, *end;
	size_t n;

	while ((end = memchr(start, '\n', peer->end - peer->begin)) == NULL) {
		memmove(peer->bytes, start, peer->end - peer->begin);
		peer->end -= peer->begin;
		peer->begin = 0;
		start = peer->bytes;
		if (peer->end == sizeof(peer->bytes))
			return find_senseless(peer, "a line has no end");
		n = wire_read(&peer->wire, peer->bytes + peer->end,
		    sizeof(peer->bytes) - peer->end, until);
		if (n == 0)
			return lose(peer);
		peer->end += n;
	}
	peer->begin = (size_t)(end + 1 - peer->bytes);
	if (end > start && end[-1] == '\r')
		end--;
	*end = '\0';
	if (strlen(start) != (size_t)(end - start))
		return find_senseless(peer, "a line has a NUL byte");
	*line = start;
	return EX_OK;
}

int
peer_hear(struct peer *peer, struct reply *reply, peer_line *each, void *arg)
{
	int64_t until = deadline(peer);
	enum reply_result result = REPLY_MORE;
	char *line;
	int code;

	memset(reply, 0, sizeof(*reply));
	while (result == REPLY_MORE) {
		code = next_line(peer, &line, until);
		if (code != EX_OK)
			return code;
		result = reply_line(reply, line, strlen(line));
		if (result == REPLY_BAD)
			return find_senseless(
			    peer, "what it says is no SMTP reply");
		if (each != NULL)
			each(arg, line);
	}
	/* RFC 5321 3.8: it closes now. */
	if (reply->code == 421)
		peer->lost = true;
	return EX_OK;
}

/* ---- what a reply means ------------------------------------------------ */

int
peer_refusal(const struct reply *reply)
{
	/* RFC 1985 5.1: "node not allowed" is no temporary matter. */
	if (reply->code == 459 || reply_class(reply) == 5)
		return EX_NOPERM;
	return reply_class(reply) == 4 ? EX_TEMPFAIL : EX_PROTOCOL;
}

int
peer_refused(
    const struct peer *peer, const char *what, const struct reply *reply)
{
	log_error(
	    NULL, "%s: %s: %d %s", peer->host, what, reply->code, reply->text);
	return peer_refusal(reply);
}
