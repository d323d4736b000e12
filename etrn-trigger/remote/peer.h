/* SPDX-License-Identifier: ISC */
/*
 * The server that is asked: its SMTP, line by line. What fails returns a
 * sysexits code and has said why, in one line that begins with the host:
 *
 *	EX_UNAVAILABLE	not reached, or lost
 *	EX_PROTOCOL	what it said makes no sense
 *	EX_NOPERM	it refused (5xx)
 *	EX_TEMPFAIL	it refused for now (4xx)
 *
 * Whatever it says ends in time: each reply as a whole has its limit.
 */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/reply.h"
#include "lib/smtp/wire.h"

/* RFC 5321 4.5.3.2: five minutes. The longest line is a SASL challenge, see
 * RFC 4954 4. */
enum {
	PEER_CONNECT_SECONDS = 30,
	PEER_REPLY_SECONDS = 300,
	PEER_QUIT_SECONDS = 5,
	PEER_LINE_SIZE = 16384,
};

struct peer {
	struct wire wire;
	const char *host;
	int seconds; /* for a reply */
	bool lost;   /* nothing more can be said */
	/* What was read and not taken yet. */
	size_t begin, end;
	char bytes[PEER_LINE_SIZE];
};

/* Gets each line of a reply as it comes, without its end. */
typedef void peer_line(void *arg, const char *line);

int peer_open(struct peer *peer, const char *host, const char *port);
/* Says QUIT first, where it can be said. */
void peer_close(struct peer *peer);
int peer_encrypt(struct peer *peer, bool verify);

/* Has something come that was not asked for? */
bool peer_is_early(const struct peer *peer);

int peer_say(struct peer *peer, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* EX_OK: `reply` is whole, whatever it says. After 421 the peer is lost. */
int peer_hear(
    struct peer *peer, struct reply *reply, peer_line *each, void *arg);

/* The code for a reply that was not the one hoped for, which is logged. */
int peer_refused(
    const struct peer *peer, const char *what, const struct reply *reply);
/* The same, unlogged. */
int peer_refusal(const struct reply *reply);

#endif
