/* SPDX-License-Identifier: ISC */
/*
 * The pipeline: what goes on a customer's wire next. It takes transactions as
 * their bodies become ready and sends them by one of three plans, chosen from
 * the customer's EHLO reply:
 *
 *	chunking   MAIL RCPT.. BDAT.. of one message after another, without
 *	           waiting for any reply (RFC 3030 with RFC 2920)
 *	pipelining MAIL RCPT.. DATA in one group; the end of a message shares a
 *	           packet with the next group (RFC 2920 3.1)
 *	lockstep   one command, one reply
 *
 * Each transaction starts from a known state: RSET goes first whenever the
 * fate of the one before is unknown or was not a clean success.
 */
#ifndef PIPELINE_H
#define PIPELINE_H

#include <stdbool.h>

#include "reply.h"
#include "transaction.h"

struct customer;
struct expected;

enum pipeline_plan { PLAN_LOCKSTEP, PLAN_PIPELINING, PLAN_CHUNKING };

/* What the current transaction wants to send next. */
enum pipeline_step {
	STEP_RSET,
	STEP_MAIL,
	STEP_RCPT,
	STEP_DATA,
	STEP_GO, /* nothing: DATA is sent, its 354 is awaited */
	STEP_BODY,
};

struct pipeline {
	enum pipeline_plan plan;
	struct transactions waiting;
	struct transaction *current; /* begun, not all on the wire */
	enum pipeline_step step;
	bool dirty;         /* the customer may be within a transaction */
	bool running;       /* pipeline_run is on the stack */
	unsigned in_flight; /* begun and not yet done */
};

void pipeline_init(struct pipeline *pipeline);
const char *pipeline_plan_name(enum pipeline_plan plan);

/* `tx` has its whole body or a full buffer: it may go when its turn comes. */
void pipeline_offer(struct customer *customer, struct transaction *tx);
/* Postfix's side of `tx` is gone; the pipeline takes over what is left. */
void pipeline_withdraw(struct customer *customer, struct transaction *tx);

/* Sends what can be sent now. Called after every event that may allow more. */
void pipeline_run(struct customer *customer);
/* Can that be a reply to this? What neither takes nor refuses cannot: then
 * nobody knows any more what the customer believes, and the line must go. */
bool pipeline_understands(
    const struct expected *expected, const struct reply *reply);
/* A reply to something of a transaction has come. */
void pipeline_reply(struct customer *customer, const struct expected *expected,
    const struct reply *reply);
/* The line is lost: all that the pipeline has is answered 451. */
void pipeline_fail(struct customer *customer);
/* Has it nothing that it could send? */
bool pipeline_wants_more(const struct pipeline *pipeline);

#endif
