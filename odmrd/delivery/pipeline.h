/* SPDX-License-Identifier: ISC */
/*
 * The pipeline: what goes on a customer's wire next. It takes transactions as
 * their bodies become ready and sends them by one of three plans, chosen from
 * the customer's EHLO reply:
 *
 *	chunking   MAIL RCPT.. BDAT.. of one message after another, without
 *	           waiting for any reply (RFC 3030 with RFC 2920)
 *	pipelining MAIL RCPT.. DATA in one group (RFC 2920 3.1); nothing behind
 *	           the dot before its reply, which many servers refuse, drop or
 *	           take for a part of the body
 *	lockstep   one command, one reply
 *
 * Each transaction starts from a known state: RSET goes first whenever the
 * fate of the one before is unknown or was not a clean success.
 *
 * Until the customer has taken a message, few are in flight (pace.h). What
 * ended an earlier session, or was doubted there, is put off until there is
 * nothing else, and then goes alone and in lock step.
 */
#ifndef PIPELINE_H
#define PIPELINE_H

#include <stdbool.h>

#include "reply_queue.h"
#include "pace.h"
#include "refusal.h"
#include "lib/reply.h"
#include "transaction.h"

struct customer;

/* What the current transaction wants to send next. */
enum pipeline_step {
	STEP_RSET,
	STEP_MAIL,
	STEP_RCPT,
	STEP_DATA,
	STEP_GO, /* nothing: DATA is sent, its 354 is awaited */
	STEP_BODY,
};

/* Half a message cannot be taken back: the line must go. */
typedef void pipeline_lost(struct customer *customer, const char *reason);

struct pipeline {
	enum plan plan; /* the best that the customer can do */
	struct transactions waiting;
	struct transactions put_off; /* the most suspect last */
	struct transaction *current; /* begun, not all on the wire */
	enum pipeline_step step;
	struct pace pace;
	bool lone;         /* what was begun last must stay alone */
	bool dirty;        /* the customer may be within a transaction */
	bool bdat_refused; /* the last one */
	bool redeemed;     /* DATA was taken with what was refused before */
	bool releasing;    /* what is put off may go, one after the other */
	bool running;      /* pipeline_run is on the stack */
	pipeline_lost *lost;
	unsigned in_flight; /* begun and not yet done */
};

void pipeline_init(struct pipeline *pipeline, pipeline_lost *lost);
const char *pipeline_plan_name(enum plan plan);

/* `tx` has its whole body or a full buffer: it may go when its turn comes. */
void pipeline_offer(struct customer *customer, struct transaction *tx);
/* If `tx` has not begun, Postfix hears 450, and its tag stays as it is. */
void pipeline_turn_away(
    struct customer *customer, struct transaction *tx, const char *why);
/* Postfix's side of `tx` is gone; the pipeline takes over what is left. */
void pipeline_withdraw(struct customer *customer, struct transaction *tx);

/* Sends what can be sent now. Called after every event that may allow more. */
void pipeline_run(struct customer *customer);
/* There is nothing else any more: what was put off may go. */
void pipeline_release(struct customer *customer);
/* Can that be a reply to this? What neither takes nor refuses cannot: then
 * nobody knows any more what the customer believes, and the line must go. */
bool pipeline_understands(
    const struct expected *expected, const struct reply *reply);
/* What a reply to something of a transaction is about. Where that is not the
 * message, `reply` becomes the 4xx that Postfix may hear. */
enum refusal pipeline_weigh(struct customer *customer,
    const struct expected *expected, struct reply *reply);
/* A reply to something of a transaction has come. */
void pipeline_reply(struct customer *customer, const struct expected *expected,
    const struct reply *reply);
/* If MAIL of the current transaction is all that has no reply, and all that
 * was said of it, it waits again, as if it had not been begun. False: it is too
 * late for that. */
bool pipeline_put_back(struct customer *customer);
/* The session ends: what has not begun is answered 451. */
void pipeline_decline(struct customer *customer);
/* The line is lost: all that the pipeline has is answered 451. */
void pipeline_fail(struct customer *customer);
/* Has it nothing that it could send? */
bool pipeline_wants_more(const struct pipeline *pipeline);

/* SMTPUTF8 (RFC 6531), before the transaction goes: where only the parameter of
 * MAIL asks for it, or a domain that has an A-label, it can go without. False:
 * it cannot, or there is no memory for it, and each recipient has its answer
 * (smtputf8.c). */
bool smtputf8_fits(const struct customer *customer, struct transaction *tx);

/* ---- below pipeline.c: pipeline_reply.c, _step.c, _end.c ------------------
 */

/* Takes the current transaction's next step; false if it has to wait. */
bool pipeline_step(struct customer *customer);
/* The end of a body by DATA. False: the line is lost. */
bool pipeline_dot(
    struct customer *customer, struct transaction *tx, bool clean);
/* RSET goes next on the wire. False: the line is lost. */
bool pipeline_rset(struct customer *customer);

/* The current transaction has sent all that it will send; `clean`: and the
 * customer is within no transaction behind it, if all goes well. */
void pipeline_conclude(struct customer *customer, bool clean);
/* All replies are in: the answers go back to Postfix, or nowhere. */
void pipeline_finish(struct customer *customer, struct transaction *tx);
/* Nothing of the transaction is in the pipeline any more. */
void pipeline_done(struct customer *customer, struct transaction *tx);
/* The only writer of a transaction's state. */
void pipeline_set_state(const struct customer *customer, struct transaction *tx,
    enum tx_state state);

#endif
