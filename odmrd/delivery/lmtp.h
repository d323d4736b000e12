/* SPDX-License-Identifier: ISC */
/*
 * LMTP (RFC 2033) with Postfix's lmtp(8) as the client, over the socket of one
 * domain. MAIL and RCPT are always taken; what the customer says of each
 * recipient is the reply after the data. The LHLO reply mirrors what the
 * customer can do, so that Postfix converts or bounces as it would for any
 * server. XFORWARD IDENT tells the queue id.
 *
 * Law: Postfix hears 250 for a recipient only after the customer's own 2xx for
 * the message. A lost customer is 4xx or a closed connection, never silence.
 */
#ifndef LMTP_H
#define LMTP_H

#include <sys/queue.h>

#include <stdbool.h>

#include "lib/domain.h"
#include "lib/dot.h"
#include "memory_queue.h"
#include "odmrd/net/link.h"
#include "transaction.h"

struct customer;
struct second_opinion;

enum lmtp_state {
	LMTP_HELD,      /* connected, but the customer is not ready yet */
	LMTP_GREETED,   /* 220 is sent, LHLO awaited */
	LMTP_IDLE,      /* no transaction */
	LMTP_ENVELOPE,  /* MAIL was taken */
	LMTP_BODY,      /* 354 is sent, the body comes */
	LMTP_ANSWERING, /* the body is read, the customer's answer awaited */
	LMTP_JUDGING,   /* the answer is there, and a second opinion asked */
	LMTP_ENDED,     /* waits for its burial */
};

struct lmtp {
	struct later grave;
	TAILQ_ENTRY(lmtp) entry;
	struct memory_place memory; /* where it waits for some */
	struct customer *customer;
	struct link *link;
	enum lmtp_state state;
	struct transaction *tx;
	const struct tx_owner_role *tx_role;
	struct second_opinion *opinion; /* is asked for, or NULL */
	struct timer *timer;            /* how long Postfix may be silent */
	bool counts;                    /* in the account's share */
	struct dot dot;
	char queue_id[QUEUE_ID_SIZE];
	char domain[DOMAIN_SIZE];
};

/* A connection from Postfix on the socket of `domain`; takes `fd`. */
void lmtp_accept(struct customer *customer, const char *domain, int fd);
/* The customer is ready: greets. */
void lmtp_greet(struct lmtp *lmtp);
/* The customer stalls: a message that has not begun goes back to Postfix. */
void lmtp_turn_away(struct lmtp *lmtp);
/* The customer takes no more: an idle connection is closed, and a busy one
 * too if the customer is lost. */
void lmtp_dismiss(struct lmtp *lmtp, bool lost);

/* ---- lmtp_command.c, for lmtp.c -------------------------------------------
 */

void lmtp_set_state(struct lmtp *lmtp, enum lmtp_state state);
/* Postfix's process is held from now on, or no more. False: that would be more
 * than the account's share. */
bool lmtp_hold(struct lmtp *lmtp);
void lmtp_let_go(struct lmtp *lmtp);
enum lmtp_read {
	LMTP_NONE,  /* there is no whole line */
	LMTP_TAKEN, /* and answered */
	LMTP_OVER,  /* likewise, and the connection must end */
};

enum lmtp_read lmtp_read_command(struct lmtp *lmtp);

#endif
