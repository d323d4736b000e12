/* SPDX-License-Identifier: ISC */
/*
 * Submission on the same login (submission = yes): before it collects its
 * mail, an authenticated client may send some (RFC 6409). odmrd is no mail
 * server: it passes MAIL, RCPT, DATA and BDAT on to the smtpd at
 * submission_server, one at a time, and the smtpd's replies back, one for one.
 * XCLIENT tells the smtpd who the client is; without it there is no submission,
 * for to the smtpd every client would be a trusted one on its own host.
 *
 * What goes to the smtpd are whole lines, put together anew from known verbs,
 * and messages of which every octet is accounted for: nothing that a client
 * sends may be read there as a command of ours (XCLIENT above all).
 *
 * A submission belongs to its session and has a link of its own, from the
 * first MAIL (or EHLO after AUTH) on. A lost smtpd is 451 to the client, a
 * lost client ends the link to the smtpd within the message: half a message is
 * never queued, and 250 is never said but by the smtpd.
 *
 * submission.c holds the link, submission_reply.c what comes back over it,
 * submission_hello.c the smtpd's first words, submission_command.c the client's
 * commands, submission_body.c its messages.
 */
#ifndef SUBMISSION_H
#define SUBMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/dot.h"
#include "odmrd/net/link.h"
#include "lib/reply.h"

struct conf;
struct client;

enum submission_state {
	SUBMISSION_CLOSED,   /* no link */
	SUBMISSION_GREETING, /* connecting; the smtpd's 220 comes */
	SUBMISSION_EHLO,     /* EHLO is sent; the reply must offer XCLIENT */
	SUBMISSION_XCLIENT,  /* XCLIENT is sent; another 220 comes */
	SUBMISSION_WELCOME,  /* EHLO is sent for the client */
	SUBMISSION_READY,    /* nothing is asked */
	SUBMISSION_ASKED,    /* the client's command or message is with the
			      * smtpd, whose reply the client waits for */
	SUBMISSION_BODY,     /* the client's message goes through */
};

enum asked { ASKED_MAIL, ASKED_RCPT, ASKED_DATA, ASKED_END, ASKED_OTHER };

/* Of the client's transaction, as the client sees it. */
enum envelope {
	ENVELOPE_NONE,
	ENVELOPE_OPEN, /* the smtpd has taken MAIL */
	ENVELOPE_LOST, /* it did, but its link is gone */
};

enum { OFFERS_SIZE = 256 };

struct submission {
	struct client *client;
	struct link *link;
	enum submission_state state;
	enum asked asked;
	enum envelope envelope;
	struct timer *timer; /* how long the smtpd may take */
	struct reply reply;  /* being put together */
	bool xclient;        /* is offered, with all we need */
	char offers[OFFERS_SIZE];
	char *mail;                    /* waits for SUBMISSION_READY, or */
	void (*then)(struct client *); /* this, or both are NULL */
	/* the message: */
	bool counted; /* BDAT: octets_left; else the dot ends it */
	int64_t octets_left;
	struct dot dot;
	char last;          /* octet of it that has been seen */
	const char *answer; /* it goes nowhere, and this is the reply */
};

/* May odmrd start so? Otherwise false with one line in `error`. */
bool submission_check(const struct conf *conf, char *error, size_t size);

/* EHLO after AUTH: opens the link if need be, calls `then`, and goes on
 * with the session. */
void submission_hello(
    struct client *client, void (*then)(struct client *client));
/* What EHLO shows, one keyword a line. */
const char *submission_offers(const struct client *client);

/* The commands of an authenticated client. */
void submission_mail(struct client *client, char *args);
void submission_rcpt(struct client *client, char *args);
void submission_data(struct client *client, char *args);
void submission_bdat(struct client *client, char *args);
/* RSET and NOOP: false if they do not concern the smtpd. */
bool submission_rset(struct client *client);
bool submission_noop(struct client *client);
/* Is there a transaction? ATRN and AUTH have to wait for its end. */
bool submission_has_mail(const struct client *client);
/* Does only the answer to a whole message lack? */
bool submission_ends(const struct client *client);

/* In CLIENT_BODY: takes some of the input; false if it has to wait. */
bool submission_body(struct client *client);

/* The client does something else now, or is gone. */
void submission_close(struct client *client);
void submission_free(struct submission **submission);

/* ---- between the five files --------------------------------------------- */

/* Makes one at need. NULL: out of memory, and the client has heard of it. */
struct submission *submission_get(struct client *client);
/* Connects; SUBMISSION_READY is for then() or the MAIL that waits. */
void submission_open(struct submission *submission);
/* A reply, or a further line of one, before SUBMISSION_READY. */
void submission_begin(struct submission *submission, const struct reply *reply);
void submission_learn(struct submission *submission, const char *line);
/* Its EHLO is answered: calls then(). */
void submission_greeted(struct submission *submission);
/* The smtpd has the next word; that takes its time, not the client's. */
void submission_hold_client(struct submission *submission);
/* Sends one line; its reply goes to the client. */
void submission_send(
    struct submission *submission, enum asked asked, const char *line);
/* The smtpd has all that it needs for a reply. */
void submission_expect(struct submission *submission, enum asked asked);
/* A line of a reply. */
void submission_reply_line(
    struct submission *submission, const char *line, size_t len);
/* Lets go of the link, and of what waits for it. */
void submission_drop(struct submission *submission);
/* The link is of no use any more: says so in the log, and to the client if
 * that waits for something. */
void submission_fail(struct submission *submission, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void submission_set_state(
    struct submission *submission, enum submission_state state);

#endif
