/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "customer.h"
#include "live.h"
#include "odmrd/jobs/settle.h"

/* Even an unchanged session is noted now and then: should odmrd be killed,
 * usage has the seconds up to there. */
enum { TICK_MS = 1000, STALE_MS = 60000 };

/* Before and after these there is no row. */
static const char *const state_names[CUSTOMER_ENDED + 1] = {
	[CUSTOMER_GREETING] = "greeting",
	[CUSTOMER_EHLO] = "greeting",
	[CUSTOMER_HELO] = "greeting",
	[CUSTOMER_SECURING] = "greeting",
	[CUSTOMER_READY] = "delivering",
	[CUSTOMER_LINGERING] = "lingering",
	[CUSTOMER_QUITTING] = "quitting",
};

static const char *
state_name(const struct customer *c)
{
	return c->stopping != NULL && c->state <= CUSTOMER_LINGERING
	    ? "ending"
	    : state_names[c->state];
}

/* Messages a minute since the oldest moment that is remembered. */
static int64_t
rate(const struct customer *c)
{
	const struct live *live = &c->live;
	int64_t ms = loop_now_ms() - live->past[live->oldest].ms;

	if (ms < TICK_MS)
		ms = TICK_MS;
	return (c->tally.delivered - live->past[live->oldest].delivered) *
	    60000 / ms;
}

static struct session_row
row_of(const struct customer *c)
{
	const struct live *live = &c->live;

	return (struct session_row) {
		.id = c->who.id,
		.pid = (long)getpid(),
		.account = c->who.account != 0 ? c->who.login : "",
		.client = c->who.client,
		.domains = c->domains,
		.state = live->state,
		.attempted = c->tally.attempted,
		.delivered = c->tally.delivered,
		.refused = c->tally.refused,
		.kept = c->tally.kept,
		.bytes = c->tally.bytes,
		.in_flight = live->in_flight,
		.rate = live->rate,
		.since = c->began,
		.noted = time(NULL),
	};
}

void
live_note(struct customer *c)
{
	struct live *live = &c->live;
	struct session_row row;

	live->state = state_name(c);
	live->noted_ms = loop_now_ms();
	live->attempted = c->tally.attempted;
	live->in_flight = c->pipeline.in_flight;
	live->rate = rate(c);
	row = row_of(c);
	settle_session(c->server->settle, &row);
}

static void
on_tick(void *arg)
{
	struct customer *c = arg;
	struct live *live = &c->live;

	if (c->tally.attempted != live->attempted ||
	    c->pipeline.in_flight != live->in_flight || rate(c) != live->rate ||
	    loop_now_ms() - live->noted_ms >= STALE_MS)
		live_note(c);
	live->past[live->oldest].ms = loop_now_ms();
	live->past[live->oldest].delivered = c->tally.delivered;
	live->oldest = (live->oldest + 1) % LIVE_SECONDS;
	live->ticking = c->state != CUSTOMER_LINGERING || live->rate > 0;
	if (live->ticking)
		timer_set(live->timer, TICK_MS);
}

/* Messages may come from now on. */
static void
begin(struct customer *c)
{
	struct live *live = &c->live;

	if (live->ticking)
		return;
	/* What was remembered before a pause would make the rate too low. */
	for (unsigned i = 0; i < LIVE_SECONDS; i++) {
		live->past[i].ms = loop_now_ms();
		live->past[i].delivered = c->tally.delivered;
	}
	live->ticking = true;
	timer_set(live->timer, TICK_MS);
}

void
live_state(struct customer *c)
{
	const char *name = state_name(c);
	const char *shown = c->live.state;

	if (c->state == CUSTOMER_READY)
		begin(c);
	if (name != NULL && (shown == NULL || strcmp(name, shown) != 0))
		live_note(c);
}

bool
live_init(struct live *live, struct customer *c)
{
	live->timer = timer_new(c->server->loop, on_tick, c);
	return live->timer != NULL;
}

void
live_free(struct live *live)
{
	timer_free(&live->timer);
}

void
live_end(struct customer *c)
{
	struct session_row row;

	timer_stop(c->live.timer);
	/* No state was ever shown: there is no row. */
	if (c->live.state == NULL)
		return;
	row = row_of(c);
	settle_end(c->server->settle, &row);
}
