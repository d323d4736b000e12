/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "customer.h"
#include "linger.h"
#include "workaround.h"

/* How often the tags are asked for mail that Postfix has but does not send,
 * as when it gave up on the destination a moment before the session began. */
enum { LOOK_MS = 60000 };

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void
sleep_on(struct customer *c, int64_t now)
{
	struct lingering *l = &c->linger;
	int64_t next = least(least(l->until_ms, l->noop_ms), now + LOOK_MS);

	timer_set(l->timer, next > now ? next - now : 1);
}

/* Does the line still live? False: it is lost. */
static bool
say_noop(struct customer *c)
{
	/* A reply that is still owed tells it, too. */
	if (c->owed.count > 0)
		return true;
	link_printf(c->link, "NOOP\r\n");
	if (!reply_queue_put(&c->owed, EXPECT_NOOP, NULL, 0))
		return false;
	session_row_note(c);
	return true;
}

static void
on_timer(void *arg)
{
	struct customer *c = arg;
	struct lingering *l = &c->linger;
	int64_t now = loop_now_ms();

	if (c->state != CUSTOMER_LINGERING)
		return;
	if (now >= l->until_ms) {
		l->over(c, "linger-over");
		return;
	}
	if (now >= l->noop_ms) {
		l->noop_ms = now + c->server->conf->noop_interval * 1000;
		/* TCP's own probes find a dead line, too. */
		if (!avoids(c, AVOID_NOOP) && !say_noop(c))
			return;
	}
	drain_look(c);
	sleep_on(c, now);
}

bool
linger_init(struct lingering *l, struct customer *c, linger_over *over)
{
	*l = (struct lingering) { .over = over };
	l->timer = timer_new(c->server->loop, on_timer, c);
	return l->timer != NULL;
}

void
linger_free(struct lingering *l)
{
	timer_free(&l->timer);
}

void
linger_begin(struct customer *c)
{
	int64_t now = loop_now_ms();

	c->linger.until_ms = now + c->who.linger * 1000;
	c->linger.noop_ms = now + c->server->conf->noop_interval * 1000;
	sleep_on(c, now);
}

void
linger_change(struct customer *c, long linger)
{
	c->linger.until_ms += (linger - c->who.linger) * 1000;
	c->who.linger = linger;
	if (c->state == CUSTOMER_LINGERING)
		on_timer(c);
}

void
linger_end(struct lingering *l)
{
	timer_stop(l->timer);
}
