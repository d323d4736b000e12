/* SPDX-License-Identifier: ISC */
/*
 * The replies that a customer's server owes, in the order in which they will
 * come (RFC 2920 3.1: that of our commands), and how long the first of them may
 * take.
 */
#ifndef REPLY_QUEUE_H
#define REPLY_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

struct customer;
struct server;
struct timer;
struct transaction;

/* What of ours a reply is due to. */
enum expect {
	EXPECT_GREETING,
	EXPECT_EHLO,
	EXPECT_HELO,
	EXPECT_STARTTLS,
	EXPECT_TLS,      /* the end of the handshake, which is no reply */
	EXPECT_EHLO_TLS, /* to the first command within TLS */
	EXPECT_RSET,
	EXPECT_MAIL,
	EXPECT_RCPT,
	EXPECT_DATA,
	EXPECT_CHUNK, /* a BDAT that is not the last */
	EXPECT_LAST,  /* BDAT LAST */
	EXPECT_DOT,
	EXPECT_NOOP,
	EXPECT_QUIT,
};

struct expected {
	enum expect what;
	struct transaction *tx; /* NULL for the session's own */
	size_t rcpt;
};

/* The first is overdue ("timeout"), or there is no memory for one more: the
 * line must go. */
typedef void reply_queue_failed(struct customer *customer, const char *reason);

struct reply_queue {
	struct expected *all;     /* a ring */
	size_t head, count, size; /* size: a power of two */
	struct server *server;
	struct timer *timer;
	reply_queue_failed *failed;
	struct customer *customer;
};

/* False: out of memory. */
bool reply_queue_init(struct reply_queue *queue, struct server *server,
    reply_queue_failed *failed, struct customer *customer);
void reply_queue_free(struct reply_queue *queue);

/* A command went out: one more reply to expect. False: out of memory, the line
 * is lost (the caller stops sending). */
bool reply_queue_put(struct reply_queue *queue, enum expect what,
    struct transaction *tx, size_t rcpt);
/* Takes the first off. There is one. */
struct expected reply_queue_take(struct reply_queue *queue);
/* The `i`th that is owed, the first being 0; NULL: there are not so many. */
struct expected *reply_queue_at(const struct reply_queue *queue, size_t i);
/* What the newest is. There is one. */
enum expect reply_queue_last(const struct reply_queue *queue);

/* The server has done something: the time that it may take begins anew.
 * `sending`: it may take some although it owes nothing yet. */
void reply_queue_arm(struct reply_queue *queue, bool sending);
void reply_queue_stop(struct reply_queue *queue);

#endif
