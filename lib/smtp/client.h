/* SPDX-License-Identifier: ISC */
/*
 * A client of an SMTP server: its connection and TLS, its lines, and what is
 * said before the first command. Zeroed but for what the caller knows, it is
 * opened; closing it is the caller's.
 *
 * What fails returns false, after which the session is of no use but to be
 * closed. The first fault stays: one line in `why`, and in `code` a sysexits
 * code:
 *
 *	EX_UNAVAILABLE	not reached, lost, or no TLS that was demanded
 *	EX_PROTOCOL	what it said makes no sense
 *	EX_NOPERM	it refused (5xx)
 *	EX_TEMPFAIL	it refused for now (4xx)
 *	EX_OSERR, EX_SOFTWARE	the fault is here
 *
 * Whatever it says ends in time: each reply as a whole has its limit.
 */
#ifndef SMTP_CLIENT_H
#define SMTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/address.h"
#include "lib/reply.h"
#include "wire.h"

/* RFC 5321 4.5.3.2: five minutes. The longest line is a SASL challenge, see
 * RFC 4954 4. */
enum {
	SMTP_CONNECT_SECONDS = 30,
	SMTP_REPLY_SECONDS = 300,
	SMTP_LINE_SIZE = 16384,
	SMTP_WHY_SIZE = REPLY_TEXT_SIZE + 160,
	SMTP_MECHANISMS_SIZE = 1024,
};

/* What the last EHLO has offered. ETRN is not looked for: servers may hide it
 * from who has not logged in, and those that do not know it say so. */
struct smtp_offers {
	bool starttls, atrn;
	char mechanisms[SMTP_MECHANISMS_SIZE]; /* of AUTH, apart by blanks */
};

struct smtp_client {
	/* The caller's. */
	const char *host;     /* whose certificate it has to be */
	const char *hostname; /* what EHLO says */
	int seconds;          /* for a reply; 0: as above */
	int64_t until; /* when all has to be said, of clock_ms(); 0: never */

	struct wire wire;
	struct reply reply; /* the last one */
	const char *rest;   /* behind the code in its last line, uncut, until
			       more is read; NULL: not even a line came */
	struct smtp_offers offers;
	bool lost;       /* nothing more can be said */
	bool tls_failed; /* the handshake; another connection may do without */
	int code;
	char why[SMTP_WHY_SIZE];

	/* What was read and not taken yet. */
	size_t begin, end;
	char bytes[SMTP_LINE_SIZE];
};

/* `host`; or one of its addresses that is known already, of which errno tells,
 * too, why it cannot be reached. */
bool smtp_open(struct smtp_client *, const char *port);
bool smtp_open_address(
    struct smtp_client *, const struct address *, int seconds);
/* Says QUIT first, where it can be said. */
void smtp_close(struct smtp_client *);

/* ---- lines ---- */

bool smtp_say(struct smtp_client *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* True: `reply` is whole, whatever it says. After 421 the server is lost. */
bool smtp_hear(struct smtp_client *);
/* Both. */
bool smtp_command(struct smtp_client *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- before the first command ---- */

/* The handshake; with `verify` see wire_encrypt. */
bool smtp_tls(struct smtp_client *, bool verify);
/* 220; and 250 with its offers. */
bool smtp_greeting(struct smtp_client *);
bool smtp_ehlo(struct smtp_client *);
/*
 * STARTTLS (RFC 3207), where it is offered, and EHLO again. With `verify` it
 * must be, and the certificate must be good.
 */
bool smtp_starttls(struct smtp_client *, bool verify);

/* ---- faults; both return false ---- */

bool smtp_fail(struct smtp_client *, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* `reply` was not the one hoped for. */
bool smtp_refused(struct smtp_client *, const char *what);
/* The code for such a reply. */
int smtp_refusal(const struct reply *);

#endif
