/* SPDX-License-Identifier: ISC */
/*
 * The customer after the turn (RFC 2645 5.3): an SMTP server that we, the
 * provider, speak to as its client over the connection that it opened; or that
 * we have opened, where its domain is on hold (dial.h).
 *
 * customer.c holds the line from the turn to the end; the greeting and EHLO are
 * hello's, what the customer answers is customer_reply.c's. What goes on the
 * wire for messages is the pipeline's; when the session is done is drain's.
 */
#ifndef CUSTOMER_H
#define CUSTOMER_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/domain.h"
#include "drain.h"
#include "expect.h"
#include "odmrd/jobs/history.h"
#include "lib/fingerprint.h"
#include "linger.h"
#include "odmrd/net/link.h"
#include "live.h"
#include "pipeline.h"
#include "progress.h"
#include "lib/queue_id.h"
#include "lib/reply.h"
#include "odmrd/jobs/server.h"
#include "share.h"
#include "transaction.h"

struct claim;
struct lmtp;

enum { SESSION_ID_SIZE = 16, CLIENT_SIZE = 64, MECH_SIZE = 24 };

enum customer_state {
	CUSTOMER_CLAIMED,   /* the line is not turned yet, or being dialled */
	CUSTOMER_GREETING,  /* the line is turned; the customer's 220 comes */
	CUSTOMER_EHLO,      /* EHLO is sent */
	CUSTOMER_HELO,      /* EHLO was refused, HELO is sent */
	CUSTOMER_SECURING,  /* STARTTLS is sent, or its handshake runs */
	CUSTOMER_READY,     /* mail flows */
	CUSTOMER_LINGERING, /* all is delivered; new mail may come any time */
	CUSTOMER_QUITTING,  /* no domains any more; QUIT is sent */
	CUSTOMER_ENDED,     /* waits for its burial */
};

/* The extensions of the customer's EHLO reply that matter here. */
enum {
	CAP_PIPELINING = 1 << 0,
	CAP_CHUNKING = 1 << 1,
	CAP_8BITMIME = 1 << 2,
	CAP_SMTPUTF8 = 1 << 3,
	CAP_DSN = 1 << 4,
	CAP_SIZE = 1 << 5,
	CAP_STARTTLS = 1 << 6,
};

/* Who is at the other end: known before the turn, kept for the log. Where we
 * have dialled, there is no account and the login is "-". */
struct identity {
	char id[SESSION_ID_SIZE];
	char client[CLIENT_SIZE];
	char mech[MECH_SIZE];
	char *login;
	int64_t account;                    /* 0: none */
	int64_t passwords;                  /* the account's, by then */
	char certificate[FINGERPRINT_SIZE]; /* of AUTH EXTERNAL, or "" */
	long linger;
	long submitted; /* messages */
};

/* Short, unique for months, and in the order of time. */
void identity_make_id(char id[SESSION_ID_SIZE]);
/* With a login of its own. False: out of memory, `copy` holds nothing. */
bool identity_copy(struct identity *copy, const struct identity *who);

struct tally {
	long attempted; /* messages; of those: */
	long delivered; /* messages that some recipient's 2xx was given for */
	long refused;   /* ... 5xx */
	long kept;      /* ... 4xx */
	int64_t bytes;  /* of delivered messages */
};

struct customer {
	struct later grave;
	TAILQ_ENTRY(customer) entry;
	struct server *server;
	struct identity who;
	enum customer_state state;
	struct link *link;
	char *domains; /* one a line */
	TAILQ_HEAD(, claim) claims;
	TAILQ_HEAD(, lmtp) lmtps;
	struct history history; /* of earlier sessions */
	bool ready;             /* mail could flow, since the first EHLO */
	bool greeted;           /* its greeting came before the history */
	bool helo;              /* EHLO is not for this server */
	bool unasked;           /* and it has not refused it itself */
	bool may_secure;        /* TLS is to be had, and not used */
	unsigned caps;
	struct reply reply; /* being put together */
	struct expected *fifo;
	size_t fifo_head, fifo_count, fifo_size; /* size: a power of two */
	struct budget budget; /* for the bodies of its messages */
	size_t transactions;  /* begun, and not answered */
	struct pipeline pipeline;
	struct drain drain;
	struct lingering linger;
	struct progress progress;
	struct share *share; /* of Postfix's deliveries */
	bool wants_more;     /* some were turned away */
	bool told_share;     /* ... and the log knows */
	struct timer *timer; /* how long the next reply may take */
	struct {
		char id[QUEUE_ID_MAX + 1]; /* or "" */
		char domain[DOMAIN_SIZE];
	} refused; /* the message that was, and nothing else was said since */
	struct tally tally;
	struct live live;
	const char *stopping;     /* why it takes no more mail, or NULL */
	struct timer *stop_timer; /* how long that may take, or NULL */
	const char *reason;       /* of the end; the first one counts */
	uint64_t replies;         /* so far */
	void (*ended)(struct customer *customer); /* hears it, or NULL */
	int64_t began;                            /* wall clock, for status */
	int64_t began_ms;                         /* monotonic, for the log */
};

/*
 * A customer that owns nothing yet; registry_claim gives it its domains.
 * Takes who->login. `domains`: one a line, copied. NULL: out of memory, and
 * who->login is still the caller's.
 */
struct customer *customer_new(
    struct server *server, struct identity *who, const char *domains);

/* Turns the line, or begins the session on one that was dialled: `link` is now
 * the customer's, its greeting is awaited. */
void customer_turn(struct customer *customer, struct link *link);

/* The only writer of the state. */
void customer_set_state(struct customer *customer, enum customer_state state);

/* A command went out: one more reply to expect. False: out of memory, the
 * line is lost (the caller stops sending). */
bool customer_expect(struct customer *customer, enum expect what,
    struct transaction *tx, size_t rcpt);

/* The oldest command without a reply, which is taken off; and what the newest
 * is. There is one. */
struct expected customer_next_expected(struct customer *customer);
enum expect customer_last_expected(const struct customer *customer);

/* Is the session open to messages from Postfix? */
bool customer_takes_mail(const struct customer *customer);
/* A message comes in: a lingering session delivers again. */
void customer_wake(struct customer *customer);
/* Asks whether the line still lives. False: the line is lost. */
bool customer_noop(struct customer *customer);
/* Changes as long as the customer takes in or answers anything. */
uint64_t customer_pulse(const struct customer *customer);

/* All is delivered: gives the domains back and says QUIT, behind the reply to
 * whatever was said before (RFC 2920 3.1). */
void customer_quit(struct customer *customer, const char *reason);
void customer_say_quit(struct customer *customer);
/* What is in flight may finish, within stop_timeout; nothing new begins, and
 * then comes QUIT. */
void customer_stop(struct customer *customer, const char *reason);
/* The line is dead, or must die: everything unanswered becomes 4xx. Also for
 * a customer whose line was never turned. */
void customer_lost(struct customer *customer, const char *reason);

/* A message has its answers: counts it. */
void customer_count(struct customer *customer, const struct transaction *tx);

#endif
