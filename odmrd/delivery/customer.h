/* SPDX-License-Identifier: ISC */
/*
 * The customer after the turn (RFC 2645 5.3): an SMTP server that we, the
 * provider, speak to as its client over the connection that it opened; or that
 * we have opened, where its domain is on hold (dial.h).
 *
 * This is what all of a session share. customer_reply.c takes the line over and
 * hears what the customer answers: the greeting and EHLO are hello's, what goes
 * on the wire for messages is the pipeline's. When the session is done is
 * drain's; what ends it is in customer.c, which its parts call back.
 */
#ifndef CUSTOMER_H
#define CUSTOMER_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/domain.h"
#include "drain.h"
#include "odmrd/jobs/history.h"
#include "identity.h"
#include "linger.h"
#include "odmrd/net/link.h"
#include "session_row.h"
#include "pipeline.h"
#include "progress.h"
#include "lib/queue_id.h"
#include "lib/reply.h"
#include "reply_queue.h"
#include "odmrd/jobs/server.h"
#include "share.h"
#include "transaction.h"

struct claim;
struct lmtp;

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
	/* Who is called so is our own Postfix (self.h); NULL: nobody. The
	 * owner's. */
	const char *ourselves;
	struct history history; /* of earlier sessions */
	bool ready;             /* mail could flow, since the first EHLO */
	bool greeted;           /* its greeting came before the history */
	bool helo;              /* EHLO is not for this server */
	bool unasked;           /* and it has not refused it itself */
	bool may_secure;        /* TLS is to be had, and not used */
	unsigned caps;
	struct reply reply; /* being put together */
	struct reply_queue owed;
	struct traffic traffic;
	struct pipeline pipeline;
	struct drain drain;
	struct lingering linger;
	struct progress progress;
	struct share *share; /* of Postfix's deliveries */
	bool wants_more;     /* some were turned away */
	bool told_share;     /* ... and the log knows */
	struct {
		char id[QUEUE_ID_MAX + 1]; /* or "" */
		char domain[DOMAIN_SIZE];
	} refused; /* the message that was, and nothing else was said since */
	struct tally tally;
	struct shown shown;
	const char *stopping;     /* why it takes no more mail, or NULL */
	struct timer *stop_timer; /* how long that may take, or NULL */
	const char *reason;       /* of the end; the first one counts */
	uint64_t replies;         /* so far */
	/* Hear of `ready`, and of the end; or NULL. */
	void (*begun)(struct customer *customer);
	void (*ended)(struct customer *customer);
	void *keeper;     /* theirs */
	int64_t began;    /* wall clock, for status */
	int64_t began_ms; /* monotonic, for the log */
};

/* ---- for the parts of a session: customer_state.c ------------------------ */

/* The only writer of the state. */
void customer_set_state(struct customer *customer, enum customer_state state);

/* Is the session open to messages from Postfix? */
bool customer_takes_mail(const struct customer *customer);
/* A message comes in: a lingering session delivers again. */
void customer_wake(struct customer *customer);
/* Changes as long as the customer takes in or answers anything. */
uint64_t customer_pulse(const struct customer *customer);

/* ---- for who is above them: customer.c, customer_reply.c ----------------- */

/*
 * A customer that owns nothing yet; registry_claim gives it its domains.
 * Takes who->login. `domains`: one a line, copied. `owner`: of the share; NULL:
 * the account. NULL: out of memory, and who->login is still the caller's.
 */
struct customer *customer_new(struct server *server, struct identity *who,
    const char *domains, const char *owner);

/* Turns the line, or begins the session on one that was dialled: `link` is now
 * the customer's, its greeting is awaited. */
void customer_turn(struct customer *customer, struct link *link);

/* All is delivered: gives the domains back and says QUIT, behind the reply to
 * whatever was said before (RFC 2920 3.1). */
void customer_quit(struct customer *customer, const char *reason);
/* A reply has come: says it if that was the last one. */
void customer_say_quit(struct customer *customer);
/* What is in flight may finish, within stop_timeout; nothing new begins, and
 * then comes QUIT. */
void customer_stop(struct customer *customer, const char *reason);
/* The line is dead, or must die: everything unanswered becomes 4xx. Also for
 * a customer whose line was never turned. */
void customer_lost(struct customer *customer, const char *reason);
/* Likewise, and what the session did is to blame for it, or what was in flight.
 */
void customer_broken(struct customer *customer, const char *reason);

#endif
