/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "customer.h"
#include "session_row.h"
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
	const struct shown *shown = &c->shown;
	int64_t ms = loop_now_ms() - shown->past[shown->oldest].ms;

	if (ms < TICK_MS)
		ms = TICK_MS;
	return (c->tally.delivered - shown->past[shown->oldest].delivered) *
	    60000 / ms;
}

static struct session_row
row_of(const struct customer *c)
{
	const struct shown *shown = &c->shown;

	return (struct session_row) {
		.id = c->who.id,
		.pid = (long)getpid(),
		.account = c->who.account != 0 ? c->who.login : "",
		.client = c->who.client,
		.domains = c->domains,
		.state = shown->state,
		.attempted = c->tally.attempted,
		.delivered = c->tally.delivered,
		.refused = c->tally.refused,
		.kept = c->tally.kept,
		.bytes = c->tally.bytes,
		.in_flight = shown->in_flight,
		.rate = shown->rate,
		.since = c->began,
		.noted = time(NULL),
	};
}

void
session_row_note(struct customer *c)
{
	struct shown *shown = &c->shown;
	struct session_row row;

	shown->state = state_name(c);
	shown->noted_ms = loop_now_ms();
	shown->attempted = c->tally.attempted;
	shown->in_flight = c->pipeline.in_flight;
	shown->rate = rate(c);
	row = row_of(c);
	settle_session(c->server->settle, &row);
}

static void
on_tick(void *arg)
{
	struct customer *c = arg;
	struct shown *shown = &c->shown;

	if (c->tally.attempted != shown->attempted ||
	    c->pipeline.in_flight != shown->in_flight ||
	    rate(c) != shown->rate ||
	    loop_now_ms() - shown->noted_ms >= STALE_MS)
		session_row_note(c);
	shown->past[shown->oldest].ms = loop_now_ms();
	shown->past[shown->oldest].delivered = c->tally.delivered;
	shown->oldest = (shown->oldest + 1) % LIVE_SECONDS;
	shown->ticking = c->state != CUSTOMER_LINGERING || shown->rate > 0;
	if (shown->ticking)
		timer_set(shown->timer, TICK_MS);
}

/* Messages may come from now on. */
static void
begin(struct customer *c)
{
	struct shown *shown = &c->shown;

	if (shown->ticking)
		return;
	/* What was remembered before a pause would make the rate too low. */
	for (unsigned i = 0; i < LIVE_SECONDS; i++) {
		shown->past[i].ms = loop_now_ms();
		shown->past[i].delivered = c->tally.delivered;
	}
	shown->ticking = true;
	timer_set(shown->timer, TICK_MS);
}

void
session_row_state(struct customer *c)
{
	const char *name = state_name(c);
	const char *shown = c->shown.state;

	if (c->state == CUSTOMER_READY)
		begin(c);
	if (name != NULL && (shown == NULL || strcmp(name, shown) != 0))
		session_row_note(c);
}

bool
session_row_init(struct shown *shown, struct customer *c)
{
	shown->timer = timer_new(c->server->loop, on_tick, c);
	return shown->timer != NULL;
}

void
session_row_free(struct shown *shown)
{
	timer_free(&shown->timer);
}

void
session_row_end(struct customer *c)
{
	struct session_row row;

	timer_stop(c->shown.timer);
	/* No state was ever shown: there is no row. */
	if (c->shown.state == NULL)
		return;
	row = row_of(c);
	settle_end(c->server->settle, &row);
}
