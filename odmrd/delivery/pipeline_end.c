/* SPDX-License-Identifier: ISC */
/* How a transaction leaves the pipeline. */
#include "blame.h"
#include "customer.h"
#include "lib/log.h"
#include "memory_queue.h"
#include "pipeline.h"

void
pipeline_set_state(
    const struct customer *c, struct transaction *tx, enum tx_state state)
{
	/* In the order of the enum. */
	static const char *const names[] = { "filling", "waiting", "sending",
		"sent", "done" };

	log_state(
	    c->who.id, "message", tx_id(tx), names[tx->state], names[state]);
	tx->state = state;
}

void
pipeline_done(struct customer *c, struct transaction *tx)
{
	pipeline_set_state(c, tx, TX_DONE);
	tx->discard = true;
	if (tx->owner != NULL)
		tx->role->answered(tx->owner);
	else
		tx_free(&tx);
}

void
pipeline_finish(struct customer *c, struct transaction *tx)
{
	tx_answer_rest(tx, false, 451, "4.3.0 The customer gave no answer");
	c->pipeline.in_flight--;
	if (c->state != CUSTOMER_ENDED)
		blame_later(c, tx);
	pace_answered(c, tx);
	progress_settled(c);
	pipeline_done(c, tx);
}

void
pipeline_conclude(struct customer *c, bool clean)
{
	struct transaction *tx = c->pipeline.current;

	c->pipeline.current = NULL;
	if (!clean)
		c->pipeline.dirty = true;
	pipeline_set_state(c, tx, TX_SENT);
	if (TAILQ_EMPTY(&c->pipeline.waiting))
		memory_queue_share(c->server->memory);
	if (tx->expected == 0)
		pipeline_finish(c, tx);
}
