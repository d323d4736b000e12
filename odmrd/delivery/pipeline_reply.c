/* SPDX-License-Identifier: ISC */
/* What the customer answers to a transaction. */
#include <stdio.h>
#include <string.h>

#include "customer.h"
#include "lib/log.h"
#include "pipeline.h"
#include "refusal.h"

bool
pipeline_understands(const struct expected *e, const struct reply *reply)
{
	if (e->what == EXPECT_DATA)
		return reply->code == 354 || reply_class(reply) >= 4;
	return reply_class(reply) != 3;
}

/* Does anything depend on this reply, or is it what had to come behind an
 * earlier refusal of the same transaction? */
static bool
matters(const struct expected *e)
{
	const struct transaction *tx = e->tx;

	switch (e->what) {
	case EXPECT_MAIL:
		return true;
	case EXPECT_RCPT:
		return !tx->mail_refused && tx->rcpts[e->rcpt].code == 0;
	default:
		for (size_t i = 0; i < tx->rcpt_count; i++)
			if (tx->rcpts[i].accepted && tx->rcpts[i].code == 0)
				return true;
		return false;
	}
}

/* 553 5.5.4 becomes 451 4.5.4. */
static void
soften(const struct customer *c, struct transaction *tx, struct reply *reply)
{
	log_warning(c->who.id,
	    "no refusal of the message: queue_id=%s answer=\"%d %s\"",
	    tx_id(tx) != NULL ? tx_id(tx) : "-", reply->code, reply->text);
	reply->code = refusal_softened(reply->code);
	if (strncmp(reply->text, "5.", 2) == 0)
		reply->text[0] = '4';
	tx->fault = FAULT_REFUSED;
}

static void
on_mail_reply(struct transaction *tx, const struct reply *reply)
{
	if (reply_class(reply) == 2)
		return;
	tx->mail_refused = true;
	tx_answer_rest(tx, false, reply->code, reply->text);
}

/* RFC 3463 3.6: X.5.3 is too many recipients. */
static bool
says_too_many(const struct reply *reply)
{
	return reply->code == 452 &&
	    (strncmp(reply->text, "4.5.3", 5) == 0 ||
		strcasestr(reply->text, "too many recipients") != NULL);
}

static void
on_rcpt_reply(struct transaction *tx, size_t rcpt, const struct reply *reply)
{
	if (reply_class(reply) == 2)
		tx->rcpts[rcpt].accepted = !tx->mail_refused;
	else {
		tx_answer(tx, rcpt, reply->code, reply->text);
		tx->enough |= says_too_many(reply) && tx_accepted(tx) > 0;
	}
}

static void
on_data_reply(
    struct customer *c, struct transaction *tx, const struct reply *reply)
{
	if (reply->code == 354 && tx_accepted(tx) > 0)
		c->pipeline.step = STEP_BODY;
	else if (reply->code == 354)
		/* Nobody takes it, but the customer waits for a body. */
		pipeline_dot(c, tx, false);
	else {
		tx_answer_rest(tx, true, reply->code, reply->text);
		pipeline_conclude(c, false);
	}
}

/* RFC 3030 2: the octets of further chunks on the wire are discarded there. */
static void
on_bdat_failed(
    struct customer *c, struct transaction *tx, const struct reply *reply)
{
	tx->bdat_refused |= reply_class(reply) == 5;
	c->pipeline.dirty = true;
}

static void
on_chunk_reply(
    struct customer *c, struct transaction *tx, const struct reply *reply)
{
	if (reply_class(reply) == 2)
		return;
	tx_answer_rest(tx, true, reply->code, reply->text);
	on_bdat_failed(c, tx, reply);
}

static void
on_last_reply(
    struct customer *c, struct transaction *tx, const struct reply *reply)
{
	tx_answer_rest(tx, true, reply->code, reply->text);
	if (reply_class(reply) != 2 && tx->plan == PLAN_CHUNKING)
		on_bdat_failed(c, tx, reply);
}

enum refusal
pipeline_weigh(
    struct customer *c, const struct expected *e, struct reply *reply)
{
	enum refusal refusal;

	if (reply_class(reply) != 5 || !matters(e))
		return REFUSAL_OF_MESSAGE;
	refusal = refusal_of(e->what, reply);
	/* Said of all, by a server that had enough recipients. */
	if (refusal == REFUSAL_OF_MESSAGE && e->tx->enough)
		refusal = REFUSAL_FOR_NOW;
	if (refusal != REFUSAL_OF_MESSAGE)
		soften(c, e->tx, reply);
	return refusal;
}

void
pipeline_reply(
    struct customer *c, const struct expected *e, const struct reply *reply)
{
	struct transaction *tx = e->tx;

	tx->expected--;
	if (e->what == EXPECT_CHUNK || e->what == EXPECT_LAST)
		c->pipeline.bdat_refused = reply_class(reply) == 5;
	switch (e->what) {
	case EXPECT_MAIL:
		on_mail_reply(tx, reply);
		break;
	case EXPECT_RCPT:
		on_rcpt_reply(tx, e->rcpt, reply);
		break;
	case EXPECT_DATA:
		on_data_reply(c, tx, reply);
		return;
	case EXPECT_CHUNK:
		on_chunk_reply(c, tx, reply);
		break;
	case EXPECT_LAST:
	case EXPECT_DOT:
		on_last_reply(c, tx, reply);
		break;
	default:
		break;
	}
	if (tx->state == TX_SENT && tx->expected == 0)
		pipeline_finish(c, tx);
}
