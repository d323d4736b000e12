/* SPDX-License-Identifier: ISC */
/*
 * One transaction at a time is `current`: it walks through the steps
 * (pipeline_step.c) as far as its plan lets it go ahead of the replies, and is
 * then only remembered by the replies that it still expects. When the last of
 * them has come (pipeline_reply.c) it is done.
 *
 * An LMTP side that vanishes can be undone as long as the customer has not
 * been promised the rest of a message. With DATA there is no way back but to
 * drop the line: a dot would make half a message a whole one.
 */
#include "customer.h"
#include "pipeline.h"
#include "put_off.h"
#include "workaround.h"

void
pipeline_init(struct pipeline *p, pipeline_lost *lost)
{
	*p = (struct pipeline) { .plan = PLAN_LOCKSTEP, .lost = lost };
	TAILQ_INIT(&p->waiting);
	TAILQ_INIT(&p->put_off);
}

const char *
pipeline_plan_name(enum plan plan)
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

/* ---- which goes next ----------------------------------------------------- */

static enum plan
plan_for(const struct customer *c, const struct transaction *tx)
{
	const struct pipeline *p = &c->pipeline;

	if (put_off_alone(tx) ||
	    (p->pace.cautious && c->tally.delivered == 0) ||
	    (p->plan == PLAN_CHUNKING && avoids(c, AVOID_CHUNKING)))
		return PLAN_LOCKSTEP;
	return p->plan;
}

/* The first that Postfix has not given up meanwhile, which would come again
 * and must not reach the customer now. */
static struct transaction *
first_waiting(struct pipeline *p)
{
	struct transaction *tx;

	while ((tx = TAILQ_FIRST(&p->waiting)) != NULL && tx->owner != NULL &&
	    tx->role->gone(tx->owner))
		continue;
	return tx;
}

static bool
may_begin(const struct pipeline *p, const struct transaction *tx)
{
	if (p->in_flight > 0 && (put_off_alone(tx) || p->lone))
		return false;
	return pace_allows(&p->pace, p->in_flight);
}

/* After a failed BDAT the state is indeterminate (RFC 3030 2), and while
 * replies are outstanding we cannot know that none fails. After DATA's dot it
 * is known: the buffers are cleared (RFC 5321 4.1.1.4). */
static enum pipeline_step
first_step(const struct pipeline *p)
{
	return p->dirty || p->in_flight > 1 ? STEP_RSET : STEP_MAIL;
}

static bool
begin(struct customer *c)
{
	struct pipeline *p = &c->pipeline;
	struct transaction *tx = first_waiting(p);

	if (tx == NULL || !may_begin(p, tx))
		return false;
	TAILQ_REMOVE(&p->waiting, tx, entry);
	if (!smtputf8_fits(c, tx)) {
		pipeline_done(c, tx);
		return true;
	}
	pipeline_set_state(c, tx, TX_SENDING);
	tx->plan = plan_for(c, tx);
	p->in_flight++;
	p->current = tx;
	p->lone = put_off_alone(tx);
	p->step = first_step(p);
	return true;
}

/* Is there a reply that must come before anything more is said? RFC 2920 3.1
 * has EHLO, DATA and NOOP at the end of a group; what stands behind a dot is
 * not safe with many servers. */
static bool
must_wait(const struct customer *c)
{
	switch (reply_queue_last(&c->owed)) {
	case EXPECT_EHLO:
	case EXPECT_HELO:
	case EXPECT_STARTTLS:
	case EXPECT_TLS:
	case EXPECT_EHLO_TLS:
	case EXPECT_DATA:
	case EXPECT_DOT:
	case EXPECT_NOOP:
		return true;
	default:
		return c->pipeline.current != NULL &&
		    c->pipeline.current->plan == PLAN_LOCKSTEP;
	}
}

/* May the next step be taken now? */
static bool
open_to_more(const struct customer *c)
{
	if (c->state != CUSTOMER_READY || link_unsent(c->link) > LINK_LOW_WATER)
		return false;
	return c->owed.count == 0 || !must_wait(c);
}

void
pipeline_run(struct customer *c)
{
	struct pipeline *p = &c->pipeline;

	if (p->running)
		return;
	p->running = true;
	while (open_to_more(c) &&
	    (p->current != NULL ? pipeline_step(c)
				: begin(c) || put_off_release(c)))
		continue;
	p->running = false;
	progress_watch(c);
}

/* It waits no longer. */
static void
leave_line(struct pipeline *p, struct transaction *tx)
{
	if (tx->put_off)
		put_off_take_back(p, tx);
	else
		TAILQ_REMOVE(&p->waiting, tx, entry);
}

/* Not now: Postfix keeps it. */
static void
turn_away(struct customer *c, struct transaction *tx, const char *why)
{
	tx->fault = FAULT_UNKNOWN;
	tx_answer_rest(tx, false, 450, why);
	pipeline_done(c, tx);
}

/* What earlier sessions had to do with it, under either of its queue ids. */
static void
recall(const struct customer *c, struct transaction *tx)
{
	const struct past *past = history_find(&c->history, tx_id(tx));

	if (past == NULL)
		past = history_find(&c->history, tx_other_id(tx));
	if (past == NULL)
		return;
	tx->suspicion = past->suspicion;
	tx->faulted = past->faulted;
}

/* In the line, or put off, or back to Postfix. */
static void
place(struct customer *c, struct transaction *tx)
{
	const char *why;

	if (!put_off_needed(c, tx)) {
		tx->suspicion = SUSPECT_NOT;
		TAILQ_INSERT_TAIL(&c->pipeline.waiting, tx, entry);
	} else if ((why = put_off(&c->pipeline, tx)) != NULL) {
		tx->unsettled = tx->suspicion != SUSPECT_APART;
		turn_away(c, tx, why);
	}
}

void
pipeline_offer(struct customer *c, struct transaction *tx)
{
	if (tx->state == TX_FILLING) {
		pipeline_set_state(c, tx, TX_WAITING);
		recall(c, tx);
		place(c, tx);
	}
	pipeline_run(c);
}

void
pipeline_release(struct customer *c)
{
	c->pipeline.releasing = true;
	pipeline_run(c);
}

void
pipeline_turn_away(struct customer *c, struct transaction *tx, const char *why)
{
	if (tx->state > TX_WAITING)
		return;
	if (tx->state == TX_WAITING)
		leave_line(&c->pipeline, tx);
	tx->unsettled = true;
	turn_away(c, tx, why);
}

/* ---- both ends may vanish ------------------------------------------------ */

void
pipeline_withdraw(struct customer *c, struct transaction *tx)
{
	struct pipeline *p = &c->pipeline;

	tx->owner = NULL;
	switch (tx->state) {
	case TX_WAITING:
		leave_line(p, tx);
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
	if (tx->plan == PLAN_CHUNKING || p->step < STEP_GO || tx->discard) {
		tx->discard = true;
		pipeline_conclude(c, false);
		/* A chunk without the end of a line may be stuck in fetchmail:
		 * what follows brings it, and its reply, through. */
		if (p->plan == PLAN_CHUNKING && c->owed.count > 0 &&
		    !must_wait(c) && !pipeline_rset(c))
			return;
		pipeline_run(c);
	} else if (!tx->whole)
		p->lost(c, "postfix-gave-up");
}

bool
pipeline_put_back(struct customer *c)
{
	struct pipeline *p = &c->pipeline;
	struct transaction *tx = p->current;

	if (tx == NULL || p->in_flight != 1 || tx->next > 0 ||
	    c->owed.count != 1 || tx->expected != 1)
		return false;
	reply_queue_take(&c->owed);
	tx->expected = 0;
	p->current = NULL;
	p->in_flight = 0;
	p->dirty = false;
	pipeline_set_state(c, tx, TX_WAITING);
	tx->fault = FAULT_NONE;
	TAILQ_INSERT_HEAD(&p->waiting, tx, entry);
	return true;
}

static void
answer_lost(struct transaction *tx)
{
	tx_answer_rest(
	    tx, false, 451, "4.4.2 The line to the customer was lost");
}

static void
fail_all(struct customer *c, struct transactions *list)
{
	struct transaction *tx;

	while ((tx = TAILQ_FIRST(list)) != NULL) {
		leave_line(&c->pipeline, tx);
		tx->fault = FAULT_UNKNOWN;
		answer_lost(tx);
		pipeline_done(c, tx);
	}
}

void
pipeline_decline(struct customer *c)
{
	fail_all(c, &c->pipeline.waiting);
	fail_all(c, &c->pipeline.put_off);
}

void
pipeline_fail(struct customer *c)
{
	struct pipeline *p = &c->pipeline;
	struct transaction *tx;

	pipeline_decline(c);
	while (c->owed.count > 0) {
		tx = reply_queue_take(&c->owed).tx;
		if (tx == NULL)
			continue;
		answer_lost(tx);
		if (--tx->expected == 0 && tx != p->current)
			pipeline_finish(c, tx);
	}
	if (p->current != NULL) {
		answer_lost(p->current);
		pipeline_conclude(c, false);
	}
}
