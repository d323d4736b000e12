/* SPDX-License-Identifier: ISC */
/*
 * One transaction at a time is `current`: it walks through the steps as far as
 * its plan lets it go ahead of the replies, and is then only remembered by the
 * replies that it still expects. When the last of them has come it is done.
 *
 * An LMTP side that vanishes can be undone as long as the customer has not
 * been promised the rest of a message. With DATA there is no way back but to
 * drop the line: a dot would make half a message a whole one.
 */
#include <stdio.h>
#include <string.h>

#include "customer.h"
#include "lmtp.h"
#include "pipeline.h"
#include "ration.h"

void
pipeline_init(struct pipeline *p)
{
	*p = (struct pipeline) { .plan = PLAN_LOCKSTEP };
	TAILQ_INIT(&p->waiting);
}

const char *
pipeline_plan_name(enum pipeline_plan plan)
{
	static const char *const names[] = { "lockstep", "pipelining",
		"chunking" };

	return names[plan];
}

bool
pipeline_wants_more(const struct pipeline *p)
{
	return p->current == NULL && TAILQ_EMPTY(&p->waiting);
}

/* All replies are in: the answers go back to Postfix, or nowhere. */
static void
finish(struct customer *c, struct transaction *tx)
{
	tx_answer_rest(tx, false, 451, "4.3.0 The customer gave no answer");
	tx->state = TX_DONE;
	tx->discard = true;
	c->pipeline.in_flight--;
	if (tx->lmtp != NULL)
		lmtp_answered(tx->lmtp);
	else {
		tx_free(&tx);
		drain_check(c);
	}
}

/* The current transaction has sent all that it will send. */
static void
conclude(struct customer *c, bool clean)
{
	struct transaction *tx = c->pipeline.current;

	c->pipeline.current = NULL;
	if (!clean)
		c->pipeline.dirty = true;
	tx->state = TX_SENT;
	if (TAILQ_EMPTY(&c->pipeline.waiting))
		ration_share(c->server);
	if (tx->expected == 0)
		finish(c, tx);
}

static bool
begin(struct customer *c)
{
	struct pipeline *p = &c->pipeline;
	struct transaction *tx;
	bool unknown;

	/* What Postfix gave up must not reach the customer: it comes again. */
	while ((tx = TAILQ_FIRST(&p->waiting)) != NULL && tx->lmtp != NULL &&
	    lmtp_gone(tx->lmtp))
		continue;
	if (tx == NULL)
		return false;
	/* After a failed BDAT the state is indeterminate (RFC 3030 2), and
	 * while replies are outstanding we cannot know that none fails. After
	 * DATA's dot it is known: the buffers are cleared (RFC 5321 4.1.1.4).
	 */
	unknown = p->plan == PLAN_CHUNKING && p->in_flight > 0;
	TAILQ_REMOVE(&p->waiting, tx, entry);
	tx->state = TX_SENDING;
	p->in_flight++;
	p->current = tx;
	p->step = p->dirty || unknown ? STEP_RSET : STEP_MAIL;
	return true;
}

static bool
send_rset(struct customer *c)
{
	c->pipeline.dirty = false;
	link_printf(c->link, "RSET\r\n");
	return customer_expect(c, EXPECT_RSET, NULL, 0);
}

static bool
send_rcpt(struct customer *c, struct transaction *tx)
{
	struct pipeline *p = &c->pipeline;
	size_t i = tx->next++;

	link_printf(c->link, "RCPT TO:%s\r\n", tx->rcpts[i].args);
	if (tx->next == tx->rcpt_count)
		p->step = p->plan == PLAN_CHUNKING ? STEP_BODY : STEP_DATA;
	return customer_expect(c, EXPECT_RCPT, tx, i);
}

/* A chunk ends with a line where it can: fetchmail hands whole lines on only,
 * and a customer that lacks the end of a chunk does not answer it. */
static size_t
chunk_size(const struct transaction *tx)
{
	const char *lf = NULL;

	if (!tx->whole)
		lf = memrchr(tx->body, '\n', tx->body_len);
	return lf != NULL ? (size_t)(lf - tx->body) + 1 : tx->body_len;
}

static bool
send_chunk(struct customer *c, struct transaction *tx)
{
	bool last = tx->whole;
	size_t size;

	if (!last && !tx_full(tx))
		return false;
	size = chunk_size(tx);
	link_printf(c->link, "BDAT %zu%s\r\n", size, last ? " LAST" : "");
	link_write(c->link, tx->body, size);
	tx_sent(tx, size);
	if (!customer_expect(c, last ? EXPECT_LAST : EXPECT_CHUNK, tx, 0))
		return false;
	if (last)
		conclude(c, true);
	else if (tx->lmtp != NULL)
		lmtp_resume(tx->lmtp);
	return true;
}

static void
write_stuffed(struct link *link, struct transaction *tx)
{
	size_t at = 0, run;
	bool stuff;

	while (at < tx->body_len) {
		run = dot_encode(
		    &tx->dot, tx->body + at, tx->body_len - at, &stuff);
		if (stuff)
			link_write(link, ".", 1);
		link_write(link, tx->body + at, run);
		at += run;
	}
	tx_sent(tx, tx->body_len);
}

static bool
send_dot(struct customer *c, struct transaction *tx, bool clean)
{
	const char *dot = dot_terminator(&tx->dot);

	link_write(c->link, dot, strlen(dot));
	if (!customer_expect(c, EXPECT_LAST, tx, 0))
		return false;
	conclude(c, clean);
	return true;
}

static bool
send_body(struct customer *c, struct transaction *tx)
{
	if (c->pipeline.plan == PLAN_CHUNKING)
		return send_chunk(c, tx);
	if (tx->body_len == 0 && !tx->whole)
		return false;
	write_stuffed(c->link, tx);
	if (tx->whole)
		return send_dot(c, tx, true);
	if (tx->lmtp != NULL)
		lmtp_resume(tx->lmtp);
	return true;
}

/* Every recipient has its answer already: the body need not go. */
static bool
pointless(const struct pipeline *p)
{
	const struct transaction *tx = p->current;

	if (p->plan == PLAN_PIPELINING || p->step == STEP_GO)
		return false;
	for (size_t i = 0; i < tx->rcpt_count; i++)
		if (tx->rcpts[i].code == 0)
			return false;
	return true;
}

/* Takes the current transaction's next step; false if it has to wait. */
static bool
step(struct customer *c)
{
	struct pipeline *p = &c->pipeline;
	struct transaction *tx = p->current;

	if (pointless(p)) {
		tx->discard = true;
		conclude(c, false);
		return true;
	}
	switch (p->step) {
	case STEP_RSET:
		p->step = STEP_MAIL;
		return send_rset(c);
	case STEP_MAIL:
		p->step = STEP_RCPT;
		link_printf(c->link, "MAIL FROM:%s\r\n", tx->mail_args);
		return customer_expect(c, EXPECT_MAIL, tx, 0);
	case STEP_RCPT:
		return send_rcpt(c, tx);
	case STEP_DATA:
		p->step = STEP_GO;
		link_printf(c->link, "DATA\r\n");
		return customer_expect(c, EXPECT_DATA, tx, 0);
	case STEP_GO:
		return false;
	case STEP_BODY:
		return send_body(c, tx);
	}
	return false;
}

/* May the next step be taken now? Lockstep waits for every reply; the others
 * wait only until the line has taken what it was given. */
static bool
open_to_more(struct customer *c)
{
	struct pipeline *p = &c->pipeline;

	if (c->state != CUSTOMER_READY || link_unsent(c->link) > LINK_LOW_WATER)
		return false;
	return p->plan != PLAN_LOCKSTEP || c->fifo_count == 0 ||
	    (p->current != NULL && p->step == STEP_BODY);
}

void
pipeline_run(struct customer *c)
{
	struct pipeline *p = &c->pipeline;

	if (p->running)
		return;
	p->running = true;
	while (open_to_more(c) && (p->current != NULL || begin(c)) && step(c))
		continue;
	p->running = false;
}

void
pipeline_offer(struct customer *c, struct transaction *tx)
{
	if (tx->state == TX_FILLING) {
		tx->state = TX_WAITING;
		TAILQ_INSERT_TAIL(&c->pipeline.waiting, tx, entry);
	}
	pipeline_run(c);
}

void
pipeline_withdraw(struct customer *c, struct transaction *tx)
{
	struct pipeline *p = &c->pipeline;

	tx->lmtp = NULL;
	switch (tx->state) {
	case TX_WAITING:
		TAILQ_REMOVE(&p->waiting, tx, entry);
		/* FALLTHROUGH */
	case TX_FILLING:
	case TX_DONE:
		tx_free(&tx);
		return;
	case TX_SENT:
		return;
	case TX_SENDING:
		break;
	}
	if (p->plan == PLAN_CHUNKING || p->step < STEP_GO || tx->discard) {
		tx->discard = true;
		conclude(c, false);
		/* A chunk without the end of a line may be stuck in fetchmail:
		 * what follows brings it, and its reply, through. */
		if (p->plan == PLAN_CHUNKING && c->fifo_count > 0 &&
		    !send_rset(c))
			return;
		pipeline_run(c);
	} else if (!tx->whole)
		customer_lost(c, "postfix-gave-up");
}

static void
on_data_reply(
    struct customer *c, struct transaction *tx, const struct reply *reply)
{
	if (reply->code == 354 && tx_accepted(tx) > 0)
		c->pipeline.step = STEP_BODY;
	else if (reply->code == 354)
		/* Nobody takes it, but the customer waits for a body. */
		send_dot(c, tx, false);
	else {
		tx_answer_rest(tx, true, reply->code, reply->text);
		conclude(c, false);
	}
}

static void
on_chunk_reply(
    struct customer *c, struct transaction *tx, const struct reply *reply)
{
	if (reply_class(reply) == 2)
		return;
	/* The octets of further chunks on the wire are discarded there. */
	tx_answer_rest(tx, true, reply->code, reply->text);
	c->pipeline.dirty = true;
}

static void
on_last_reply(
    struct customer *c, struct transaction *tx, const struct reply *reply)
{
	tx_answer_rest(tx, true, reply->code, reply->text);
	if (reply_class(reply) != 2 && c->pipeline.plan == PLAN_CHUNKING)
		c->pipeline.dirty = true;
}

bool
pipeline_understands(const struct expected *e, const struct reply *reply)
{
	if (e->what == EXPECT_DATA)
		return reply->code == 354 || reply_class(reply) >= 4;
	return reply_class(reply) != 3;
}

void
pipeline_reply(
    struct customer *c, const struct expected *e, const struct reply *reply)
{
	struct transaction *tx = e->tx;

	if (tx == NULL)
		return; /* RSET */
	tx->expected--;
	switch (e->what) {
	case EXPECT_MAIL:
		if (reply_class(reply) != 2) {
			tx->mail_refused = true;
			tx_answer_rest(tx, false, reply->code, reply->text);
		}
		break;
	case EXPECT_RCPT:
		if (reply_class(reply) == 2)
			tx->rcpts[e->rcpt].accepted = !tx->mail_refused;
		else
			tx_answer(tx, e->rcpt, reply->code, reply->text);
		break;
	case EXPECT_DATA:
		on_data_reply(c, tx, reply);
		return;
	case EXPECT_CHUNK:
		on_chunk_reply(c, tx, reply);
		break;
	case EXPECT_LAST:
		on_last_reply(c, tx, reply);
		break;
	default:
		break;
	}
	if (tx->state == TX_SENT && tx->expected == 0)
		finish(c, tx);
}

static void
answer_lost(struct transaction *tx)
{
	tx_answer_rest(
	    tx, false, 451, "4.4.2 The line to the customer was lost");
}

void
pipeline_fail(struct customer *c)
{
	struct pipeline *p = &c->pipeline;
	struct transaction *tx;
	struct expected *e;

	while ((tx = TAILQ_FIRST(&p->waiting)) != NULL) {
		TAILQ_REMOVE(&p->waiting, tx, entry);
		answer_lost(tx);
		p->in_flight++;
		finish(c, tx);
	}
	while (c->fifo_count > 0) {
		e = &c->fifo[c->fifo_head];
		c->fifo_head = (c->fifo_head + 1) & (c->fifo_size - 1);
		c->fifo_count--;
		tx = e->tx;
		if (tx == NULL)
			continue;
		answer_lost(tx);
		if (--tx->expected == 0 && tx != p->current)
			finish(c, tx);
	}
	if (p->current != NULL) {
		answer_lost(p->current);
		conclude(c, false);
	}
}
