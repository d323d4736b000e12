/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <time.h>

#include "customer.h"
#include "lib/log.h"
#include "odmrd/jobs/settle.h"
#include "workaround.h"

bool
avoids(const struct customer *c, enum workaround_bit bit)
{
	return (c->history.avoid & bit) != 0;
}

static void
note(struct customer *c, enum workaround_bit bit, bool sure, const char *why)
{
	const struct workaround row = {
		.account = c->who.account,
		.domain = c->who.account == 0 ? c->domains : "",
		.what = workaround_name(bit),
		.why = why,
		.since = time(NULL),
	};

	settle_workaround(c->server->settle, &row, sure);
}

void
workaround_learn(
    struct customer *c, enum workaround_bit bit, bool sure, const char *why)
{
	log_warning(c->who.id, "workaround: %s account=%s why=\"%s\"",
	    workaround_name(bit), c->who.login, why);
	note(c, bit, sure, why);
	c->history.avoid |= bit;
}

void
workaround_forget(struct customer *c, enum workaround_bit bit)
{
	if (!avoids(c, bit))
		return;
	log_info(c->who.id, "workaround: %s is over account=%s",
	    workaround_name(bit), c->who.login);
	note(c, bit, false, NULL);
	c->history.avoid &= ~(unsigned)bit;
}

/* ---- what the end of a session teaches ----------------------------------- */

/* Was this refused just now? Then the server closes at refusals. */
static bool
was_refused(const struct transaction *tx)
{
	return tx_count(tx, 4) + tx_count(tx, 5) > 0;
}

/* The way that the message took is at fault, and not the message, if none came
 * through by it in this session, or only some of those that a session gets
 * that is cautious already. */
static bool
way_is_suspect(const struct customer *c, const struct transaction *tx)
{
	const struct pace *pace = &c->pipeline.pace;

	return c->refused.id[0] == '\0' && !was_refused(tx) &&
	    tx->suspicion < SUSPECT_DOUBTED &&
	    (pace->by_plan == 0 || pace->cautious);
}

static void
blame_way(struct customer *c, const struct transaction *tx, const char *why)
{
	if (!way_is_suspect(c, tx))
		return;
	if (tx->plan == PLAN_CHUNKING)
		workaround_learn(c, AVOID_CHUNKING, false, why);
	else if (tx->plan == PLAN_PIPELINING)
		workaround_learn(c, AVOID_PIPELINING, false, why);
}

/* TLS that is offered and does not work must not keep the mail away. */
static void
blame_tls(struct customer *c)
{
	static const char why[] = "TLS with the customer's server failed";

	if (c->server->conf->reverse_tls == REVERSE_TLS_MAY)
		workaround_learn(c, AVOID_TLS, false, why);
	else
		log_warning(c->who.id, "%s", why);
}

/* Octets of a BDAT that a server does not know are commands for it. */
void
workaround_of_noise(struct customer *c)
{
	if (c->pipeline.bdat_refused)
		workaround_learn(
		    c, AVOID_CHUNKING, false, "replies to what BDAT carries");
}

void
workaround_of_refusal(struct customer *c, const struct expected *e, int code)
{
	bool bdat = e->what == EXPECT_CHUNK || e->what == EXPECT_LAST;

	/* Others say themselves what is amiss, and it is not that. */
	if (code > 504)
		return;
	if (bdat)
		workaround_learn(c, AVOID_CHUNKING, true, "BDAT is refused");
	else
		blame_way(c, e->tx, "commands are refused");
}

void
workaround_of_end(struct customer *c, const char *why)
{
	const struct expected *first = reply_queue_at(&c->owed, 0);

	if (c->state == CUSTOMER_SECURING)
		blame_tls(c);
	else if (first != NULL && first->tx != NULL &&
	    first->what != EXPECT_DOT)
		blame_way(c, first->tx, why);
	if (c->pipeline.in_flight > 0 && !avoids(c, AVOID_CROWD))
		workaround_learn(c, AVOID_CROWD, false, why);
}
