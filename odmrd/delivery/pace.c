/* SPDX-License-Identifier: ISC */
#include <limits.h>

#include "customer.h"
#include "pace.h"
#include "workaround.h"

enum { FIRST = 4, STEP = 16, RECOVERED = 32 };

void
pace_begin(struct customer *c)
{
	struct pace *pace = &c->pipeline.pace;

	*pace = (struct pace) {
		.most = FIRST,
		.cautious = avoids(c, AVOID_CROWD),
		.one_by_one = avoids(c, AVOID_RSET),
	};
	if (pace->cautious)
		pace_slow(pace);
}

void
pace_slow(struct pace *pace)
{
	pace->most = 1;
	pace->calm = 0;
	pace->cautious = true;
}

bool
pace_allows(const struct pace *pace, unsigned in_flight)
{
	return in_flight < (pace->one_by_one ? 1 : pace->most);
}

static void
recover(struct customer *c)
{
	struct pace *pace = &c->pipeline.pace;

	pace->most = 1 + ++pace->calm / STEP;
	if (pace->most < RECOVERED)
		return;
	pace->cautious = false;
	pace->most = UINT_MAX;
	workaround_forget(c, AVOID_CROWD);
}

static void
on_refused(struct pace *pace, const struct transaction *tx)
{
	pace->wary |= tx_accepted(tx) == 0;
	if (pace->cautious)
		pace_slow(pace);
}

void
pace_answered(struct customer *c, const struct transaction *tx)
{
	struct pace *pace = &c->pipeline.pace;

	if (tx_count(tx, 2) == 0) {
		on_refused(pace, tx);
		return;
	}
	pace->wary = false;
	pace->by_plan += tx->plan == c->pipeline.plan;
	if (pace->cautious)
		recover(c);
	else
		pace->most = UINT_MAX;
}
