/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "customer.h"
#include "lib/log.h"
#include "progress.h"

/* Under a minute each for the slowest that is honest: a modem, or a server
 * that scans for minutes and takes a message then. */
enum { SETTLED_BYTES = 64 * 1024 };

static uint64_t
work_of(const struct customer *c)
{
	return link_taken(c->link) + c->progress.settled * SETTLED_BYTES;
}

/* TLS may have it look a little less than before. */
static uint64_t
done_since(const struct customer *c, uint64_t work)
{
	uint64_t now = work_of(c);

	return now > work ? now - work : 0;
}

static void
set_timer(struct customer *c)
{
	c->progress.work = work_of(c);
	c->progress.before = c->progress.settled;
	timer_set(c->progress.timer, c->server->conf->stall_time * 1000);
}

static void
begin(struct customer *c)
{
	c->progress.done = 0;
	c->progress.began_ms = loop_now_ms();
}

/* Did `ms` bring less than they should? */
static bool
is_little(const struct customer *c, uint64_t done, int64_t ms)
{
	return done < (uint64_t)(c->server->conf->progress_rate * ms / 1000);
}

/* Postfix is what is waited for. */
static bool
owes_nothing(const struct customer *c)
{
	return c->owed.count == 0 && link_unsent(c->link) == 0;
}

static enum progress_found
found(struct customer *c, bool little)
{
	bool stalls = little && !owes_nothing(c);

	if (stalls && !c->progress.stalls)
		log_warning(c->who.id,
		    "the customer stalls: what waits goes back to Postfix");
	c->progress.stalls = stalls;
	return stalls ? PROGRESS_STALLS : PROGRESS_MADE;
}

enum progress_found
progress_look(struct customer *c)
{
	struct progress *p = &c->progress;
	const struct conf *conf = c->server->conf;
	uint64_t done = done_since(c, p->work);
	int64_t ms = loop_now_ms() - p->began_ms;

	p->done += done;
	p->slow = 2 * (p->settled - p->before) < (uint64_t)share_held(c->share);
	if (owes_nothing(c))
		begin(c);
	else if (ms >= conf->progress_time * 1000) {
		if (is_little(c, p->done, ms))
			return PROGRESS_NONE;
		begin(c);
	}
	set_timer(c);
	return found(c, is_little(c, done, conf->stall_time * 1000));
}

bool
progress_init(struct progress *p, struct loop *loop, loop_call *look, void *arg)
{
	*p = (struct progress) { .timer = timer_new(loop, look, arg) };
	return p->timer != NULL;
}

void
progress_free(struct progress *p)
{
	timer_free(&p->timer);
}

void
progress_watch(struct customer *c)
{
	struct progress *p = &c->progress;
	bool needed = c->pipeline.in_flight > 0 && c->state != CUSTOMER_ENDED;

	if (needed == p->runs)
		return;
	p->runs = needed;
	if (needed) {
		begin(c);
		set_timer(c);
	} else {
		timer_stop(p->timer);
		p->stalls = false;
	}
}

void
progress_settled(struct customer *c)
{
	c->progress.settled++;
	c->progress.stalls = false;
}
