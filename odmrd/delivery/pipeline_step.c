/* SPDX-License-Identifier: ISC */
/* The steps of a transaction: what each puts on the wire. */
#include <stdio.h>
#include <string.h>

#include "customer.h"
#include "pipeline.h"

bool
pipeline_rset(struct customer *c)
{
	c->pipeline.dirty = false;
	link_printf(c->link, "RSET\r\n");
	return reply_queue_put(&c->owed, EXPECT_RSET, NULL, 0);
}

static bool
send_mail(struct customer *c, struct transaction *tx)
{
	c->pipeline.step = STEP_RCPT;
	link_printf(c->link, "MAIL FROM:%s\r\n", tx->mail_args);
	return reply_queue_put(&c->owed, EXPECT_MAIL, tx, 0);
}

/* The recipients are named: the body is next. */
static bool
named(struct pipeline *p)
{
	p->step = p->current->plan == PLAN_CHUNKING ? STEP_BODY : STEP_DATA;
	return true;
}

/* A server that has its fill of recipients gets no more of them, as each would
 * be an error; they come in another transaction (RFC 5321 4.5.3.1.10). */
static bool
leave_rest(struct pipeline *p, struct transaction *tx)
{
	while (tx->next < tx->rcpt_count)
		tx_answer(tx, tx->next++, 452, "4.5.3 Too many recipients");
	return named(p);
}

static bool
send_rcpt(struct customer *c, struct transaction *tx)
{
	struct pipeline *p = &c->pipeline;
	size_t i = tx->next;

	/* Where MAIL may be refused for want of TLS, TLS is still to be had. */
	if (i == 0 && c->may_secure && tx->expected > 0)
		return false;
	if (tx->enough)
		return leave_rest(p, tx);
	tx->next++;
	link_printf(c->link, "RCPT TO:%s\r\n", tx->rcpts[i].args);
	if (tx->next == tx->rcpt_count)
		named(p);
	return reply_queue_put(&c->owed, EXPECT_RCPT, tx, i);
}

static bool
send_data(struct customer *c, struct transaction *tx)
{
	c->pipeline.step = STEP_GO;
	tx->body_begun = true;
	link_printf(c->link, "DATA\r\n");
	return reply_queue_put(&c->owed, EXPECT_DATA, tx, 0);
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
	tx->body_begun = true;
	tx_sent(tx, size);
	if (!reply_queue_put(
		&c->owed, last ? EXPECT_LAST : EXPECT_CHUNK, tx, 0))
		return false;
	if (last)
		pipeline_conclude(c, true);
	else if (tx->owner != NULL)
		tx->role->resume(tx->owner);
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

bool
pipeline_dot(struct customer *c, struct transaction *tx, bool clean)
{
	const char *dot = dot_terminator(&tx->dot);

	link_write(c->link, dot, strlen(dot));
	if (!reply_queue_put(&c->owed, EXPECT_DOT, tx, 0))
		return false;
	pipeline_conclude(c, clean);
	return true;
}

static bool
send_body(struct customer *c, struct transaction *tx)
{
	if (tx->plan == PLAN_CHUNKING)
		return send_chunk(c, tx);
	if (tx->body_len == 0 && !tx->whole)
		return false;
	write_stuffed(c->link, tx);
	if (tx->whole)
		return pipeline_dot(c, tx, true);
	if (tx->owner != NULL)
		tx->role->resume(tx->owner);
	return true;
}

/* Every recipient has its answer already: the body need not go. */
static bool
pointless(const struct pipeline *p)
{
	const struct transaction *tx = p->current;

	if (p->step == STEP_GO)
		return false;
	for (size_t i = 0; i < tx->rcpt_count; i++)
		if (tx->rcpts[i].code == 0)
			return false;
	return true;
}

/* The body, or DATA, would be one error more behind recipients that are all
 * refused, as those before were. */
static bool
waits_for_recipients(const struct pipeline *p)
{
	const struct transaction *tx = p->current;

	return p->pace.wary && (p->step == STEP_DATA || p->step == STEP_BODY) &&
	    !tx->body_begun && tx->expected > 0;
}

bool
pipeline_step(struct customer *c)
{
	struct pipeline *p = &c->pipeline;
	struct transaction *tx = p->current;

	if (pointless(p)) {
		tx->discard = true;
		pipeline_conclude(c, false);
		return true;
	}
	if (waits_for_recipients(p))
		return false;
	switch (p->step) {
	case STEP_RSET:
		p->step = STEP_MAIL;
		return pipeline_rset(c);
	case STEP_MAIL:
		return send_mail(c, tx);
	case STEP_RCPT:
		return send_rcpt(c, tx);
	case STEP_DATA:
		return send_data(c, tx);
	case STEP_GO:
		return false;
	case STEP_BODY:
		return send_body(c, tx);
	}
	return false;
}
