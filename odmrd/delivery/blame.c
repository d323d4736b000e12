/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <time.h>

#include "blame.h"
#include "customer.h"
#include "odmrd/jobs/settle.h"

void
blame_later(struct customer *c, const struct transaction *tx)
{
	const char *id = tx_id(tx);

	if (tx_count(tx, 2) > 0 || tx->owner == NULL || id == NULL ||
	    strlen(id) >= sizeof(c->refused.id))
		return;
	strcpy(c->refused.id, id);
	strcpy(c->refused.domain, tx->domain);
}

/* Many servers close behind a refusal, or some of them. */
static bool
blame_refused(struct customer *c)
{
	const struct settlement fault = {
		.queue_id = c->refused.id,
		.domain = c->refused.domain,
		.session = c->who.id,
		.when = time(NULL),
		.fault = FAULT_REFUSED,
	};

	if (c->refused.id[0] == '\0')
		return false;
	settle_tx(c->server->settle, &fault);
	return true;
}

void
blame(struct customer *c)
{
	struct pipeline *p = &c->pipeline;
	bool found = blame_refused(c);
	struct expected *e;

	for (size_t i = 0; (e = reply_queue_at(&c->owed, i)) != NULL; i++)
		if (e->tx != NULL && e->tx->fault == FAULT_NONE)
			e->tx->fault =
			    i == 0 && !found ? FAULT_LIKELY : FAULT_NEAR;
	if (p->current != NULL && p->current->fault == FAULT_NONE)
		p->current->fault =
		    c->owed.count == 0 && !found ? FAULT_LIKELY : FAULT_NEAR;
}
