/* SPDX-License-Identifier: ISC */
#include "customer.h"
#include "put_off.h"

/* Each keeps a process of Postfix waiting. */
enum { PUT_OFF_MAX = 32 };

bool
put_off_alone(const struct transaction *tx)
{
	return tx->suspicion >= SUSPECT_DOUBTED;
}

/* Where sessions end at some of them, each has its turn. */
static bool
goes_before(const struct transaction *a, const struct transaction *b)
{
	return a->suspicion != b->suspicion ? a->suspicion < b->suspicion
					    : a->faulted < b->faulted;
}

static void
insert(struct pipeline *p, struct transaction *tx)
{
	struct transaction *before = TAILQ_LAST(&p->put_off, transactions);

	while (before != NULL && goes_before(tx, before))
		before = TAILQ_PREV(before, transactions, entry);
	if (before != NULL)
		TAILQ_INSERT_AFTER(&p->put_off, before, tx, entry);
	else
		TAILQ_INSERT_HEAD(&p->put_off, tx, entry);
	tx_put_off(tx, true);
}

void
put_off_take_back(struct pipeline *p, struct transaction *tx)
{
	TAILQ_REMOVE(&p->put_off, tx, entry);
	tx_put_off(tx, false);
}

const char *
put_off(struct pipeline *p, struct transaction *tx)
{
	if (tx->suspicion == SUSPECT_APART)
		return "4.3.0 Set apart: the sessions that delivered it broke";
	if (tx->traffic->put_off >= PUT_OFF_MAX)
		return "4.3.0 Its turn is when others have gone";
	insert(p, tx);
	return NULL;
}

bool
put_off_needed(const struct customer *c, const struct transaction *tx)
{
	return tx->suspicion != SUSPECT_NOT &&
	    (tx->suspicion != SUSPECT_DOUBTED || c->tally.delivered == 0);
}

bool
put_off_release(struct customer *c)
{
	struct pipeline *p = &c->pipeline;
	struct transaction *tx = TAILQ_FIRST(&p->put_off);
	enum suspicion suspicion;

	p->releasing &= tx != NULL;
	if (!p->releasing || p->in_flight > 0)
		return false;
	suspicion = tx->suspicion;
	if (suspicion == SUSPECT_NEAR)
		pace_slow(&p->pace);
	do {
		put_off_take_back(p, tx);
		if (!put_off_needed(c, tx))
			tx->suspicion = SUSPECT_NOT;
		TAILQ_INSERT_TAIL(&p->waiting, tx, entry);
	} while (!put_off_alone(tx) &&
	    (tx = TAILQ_FIRST(&p->put_off)) != NULL &&
	    tx->suspicion == suspicion);
	return true;
}
