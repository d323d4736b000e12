/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "customer.h"
#include "lib/log.h"
#include "lib/uptime.h"
#include "odmrd/jobs/settle.h"
#include "outcome.h"
#include "refusal.h"
#include "workaround.h"

/* ---- soft bounces ---------------------------------------------------------
 */

/* The question belongs to the worker until done() has it back. */
struct second_opinion {
	struct job job;
	struct customer *customer;
	struct transaction *tx;
	loop_call *decided; /* NULL: nobody waits for it */
	void *owner;
	char id[QUEUE_ID_SIZE];
	char other_id[QUEUE_ID_SIZE]; /* or "" */
	char domain[DOMAIN_SIZE];
	char session[SESSION_ID_SIZE];
	int64_t age; /* of the first refusal before this one */
	bool refused_before;
};

/* Has a message come through by the way that this one went? */
static bool
is_proven(const struct customer *c, const struct transaction *tx)
{
	return tx->bdat_refused ? c->pipeline.pace.by_plan > 0
				: c->tally.delivered > 0;
}

static bool
is_doubtful(const struct customer *c, const struct transaction *tx)
{
	return c->server->conf->believe_5xx == BELIEVE_SECOND_OPINION &&
	    tx_count(tx, 5) > 0 && tx_count(tx, 2) == 0 && !is_proven(c, tx);
}

/* What was refused before came through by DATA, and nothing by BDAT: it is not
 * the message. */
static bool
blame_bdat(struct customer *c, const struct transaction *tx)
{
	if (!tx->bdat_refused || !c->pipeline.redeemed)
		return false;
	if (!avoids(c, AVOID_CHUNKING))
		workaround_learn(c, AVOID_CHUNKING, false,
		    "BDAT is refused, and DATA is not");
	return true;
}

/* 550 5.1.1 becomes 450 4.1.1. */
static void
soften_recipient(struct recipient *r)
{
	static const char note[] = " (kept for a second opinion)";
	char *text = NULL;

	r->code = refusal_softened(r->code);
	if (r->text == NULL)
		return;
	if (strncmp(r->text, "5.", 2) == 0)
		r->text[0] = '4';
	if (asprintf(&text, "%s%s", r->text, note) < 0)
		return;
	free(r->text);
	r->text = text;
}

static void
soften(const struct customer *c, struct transaction *tx)
{
	for (size_t i = 0; i < tx->rcpt_count; i++) {
		struct recipient *r = &tx->rcpts[i];

		if (r->code / 100 != 5)
			continue;
		log_warning(c->who.id,
		    "doubted: queue_id=%s to=%.*s answer=\"%d %.200s\"",
		    tx_id(tx) != NULL ? tx_id(tx) : "-",
		    (int)tx_path_len(r->args), r->args, r->code,
		    r->text != NULL ? r->text : "");
		soften_recipient(r);
		tx->doubted++;
	}
}

static void
work(struct job *job, struct store *store)
{
	struct second_opinion *o = (struct second_opinion *)job;
	enum store_result result;

	result =
	    store_tag_doubted(store, o->id, o->domain, o->session, &o->age);
	if (result == STORE_NONE && o->other_id[0] != '\0')
		result = store_tag_doubted(
		    store, o->other_id, o->domain, o->session, &o->age);
	o->refused_before = result == STORE_OK;
}

static void
done(struct job *job)
{
	struct second_opinion *o = (struct second_opinion *)job;
	const struct customer *c = o->customer;

	if (o->decided != NULL) {
		if (!o->refused_before ||
		    o->age < c->server->conf->second_opinion_time)
			soften(c, o->tx);
		o->decided(o->owner);
	}
	free(o);
}

struct second_opinion *
outcome_decide(
    struct customer *c, struct transaction *tx, loop_call *decided, void *owner)
{
	struct second_opinion *o = NULL;

	if (!is_doubtful(c, tx))
		return NULL;
	/* A message without a queue id cannot be recognised later. */
	if (!blame_bdat(c, tx) && tx_id(tx) != NULL)
		o = calloc(1, sizeof(*o));
	if (o == NULL) {
		soften(c, tx);
		return NULL;
	}
	o->job.work = work;
	o->job.done = done;
	o->customer = c;
	o->tx = tx;
	o->decided = decided;
	o->owner = owner;
	strcpy(o->id, tx_id(tx));
	if (tx_other_id(tx) != NULL)
		strcpy(o->other_id, tx_other_id(tx));
	strcpy(o->domain, tx->domain);
	strcpy(o->session, c->who.id);
	worker_submit(c->server->worker, &o->job);
	return o;
}

void
outcome_decline(struct second_opinion **opinion)
{
	soften((*opinion)->customer, (*opinion)->tx);
	outcome_forget(opinion);
}

void
outcome_forget(struct second_opinion **opinion)
{
	if (*opinion != NULL)
		(*opinion)->decided = NULL;
	*opinion = NULL;
}

/* ---- the tag and the tally ------------------------------------------------
 */

static void
settle(const struct customer *c, const struct transaction *tx)
{
	const struct recipient *r = NULL;
	char text[REPLY_TEXT_SIZE + 8] = "";
	struct settlement s = {
		.queue_id = tx_id(tx),
		.other_id = tx_other_id(tx),
		.domain = tx->domain,
		.session = c->who.id,
		.delivered = (long)tx_count(tx, 2),
		.refused = (long)tx_count(tx, 5),
		.kept = (long)tx_count(tx, 4),
		.doubted = tx->doubted,
		.fault = tx->fault,
		.took = c->tally.delivered > 0,
		.bytes = tx->bytes,
		.when = time(NULL),
		.up = uptime(),
		.answer = text,
	};

	for (size_t i = 0; i < tx->rcpt_count; i++)
		if (r == NULL || tx->rcpts[i].code >= 400)
			r = &tx->rcpts[i];
	if (r != NULL)
		snprintf(text, sizeof(text), "%d %s", r->code,
		    r->text != NULL ? r->text : "");
	if (s.queue_id != NULL && !tx->unsettled)
		settle_tx(c->server->settle, &s);
}

void
outcome_settle(struct customer *c, const struct transaction *tx)
{
	bool delivered = tx_count(tx, 2) > 0, refused = tx_count(tx, 5) > 0;

	settle(c, tx);
	c->pipeline.redeemed |= delivered && tx->plan != PLAN_CHUNKING &&
	    tx->suspicion == SUSPECT_DOUBTED;
	c->tally.attempted++;
	c->tally.delivered += delivered;
	c->tally.refused += refused;
	c->tally.kept += tx_count(tx, 4) > 0;
	c->tally.bytes += delivered ? tx->bytes : 0;
	if (delivered || refused)
		drain_progress(c);
}

/* Its tag is to know why. */
void
outcome_lose(struct customer *c, struct transaction *tx)
{
	c->tally.kept++;
	if (tx->fault == FAULT_NONE || tx->state != TX_DONE)
		return;
	for (size_t i = 0; i < tx->rcpt_count; i++)
		if (tx->rcpts[i].code / 100 != 4)
			tx->rcpts[i].code = 451;
	settle(c, tx);
}
