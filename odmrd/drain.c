/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "audit.h"
#include "customer.h"
#include "drain.h"
#include "flusher.h"
#include "log.h"
#include "registry.h"
#include "settle.h"

/* Postfix sends the next message within a millisecond of an answer; the tags
 * are asked only when it has been quiet for longer. */
enum { QUIET_MS = 30 };

/* Is a message on its way? What is put off waits for the others. */
static bool
is_busy(const struct customer *c)
{
	return c->transactions > c->pipeline.put_off_count;
}

/* Waits for Postfix to send something. A message that is being deferred just
 * now is not yet on flush(8)'s list: so the second flush comes soon, and it is
 * the one that gets the whole time. */
static void
be_patient(struct customer *c)
{
	int64_t wait = c->server->conf->drain_wait * 1000;

	c->drain.ask = false;
	timer_set(c->drain.timer, c->drain.again ? wait : wait / 5);
}

static void
flush_all(struct customer *c)
{
	struct claim *claim;

	TAILQ_FOREACH(claim, &c->claims, entry)
		flusher_flush(c->server->flusher, claim->name, c->who.id);
	be_patient(c);
}

static void ask(struct customer *c);

/* All that is left is what was put off, or nothing. */
static void
go_on_or_linger(struct customer *c)
{
	if (c->pipeline.put_off_count > 0)
		pipeline_release(c);
	else
		linger_begin(c);
}

static void
on_count(long unattempted, void *arg)
{
	struct customer *c = arg;

	c->drain.question = NULL;
	if (is_busy(c))
		return;
	if (c->drain.stale) {
		ask(c);
		return;
	}
	if (c->state == CUSTOMER_LINGERING && unattempted > 0)
		flush_all(c);
	if (c->state != CUSTOMER_READY)
		return;
	if (unattempted >= 0 &&
	    (unsigned long)unattempted <= c->pipeline.put_off_count) {
		go_on_or_linger(c);
		return;
	}
	be_patient(c);
}

static void
ask(struct customer *c)
{
	if (c->drain.question == NULL)
		c->drain.stale = false;
	if (c->drain.question == NULL)
		c->drain.question = settle_ask(
		    c->server->settle, c->domains, c->who.id, on_count, c);
	/* No room for it: look again later. */
	if (c->drain.question == NULL && c->state == CUSTOMER_READY)
		timer_set(c->drain.timer, c->server->conf->drain_wait * 1000);
}

static void
give_up(struct customer *c)
{
	if (c->who.linger > 0)
		linger_begin(c);
	else
		customer_quit(c, "tags-without-mail");
}

static void
on_timer(void *arg)
{
	struct customer *c = arg;
	struct drain *d = &c->drain;

	if (c->state != CUSTOMER_READY || is_busy(c))
		return;
	if (c->stopping != NULL)
		customer_quit(c, c->stopping);
	else if (d->ask)
		ask(c);
	else if (!d->again) {
		d->again = true;
		log_info(c->who.id,
		    "mail remains but Postfix is silent, flushing once more");
		flush_all(c);
	} else if (c->pipeline.put_off_count > 0)
		pipeline_release(c);
	else {
		audit_suspect(c->server->audit, "tags without mail");
		give_up(c);
	}
}

bool
drain_init(struct drain *d, struct customer *c)
{
	*d = (struct drain) { 0 };
	d->timer = timer_new(c->server->loop, on_timer, c);
	return d->timer != NULL;
}

void
drain_stop(struct drain *d)
{
	timer_stop(d->timer);
	if (d->question != NULL)
		question_forget(&d->question);
}

void
drain_free(struct drain *d)
{
	if (d->question != NULL)
		question_forget(&d->question);
	timer_free(&d->timer);
}

void
drain_begin(struct customer *c)
{
	flush_all(c);
	/* Perhaps there is none: a session that lingers need not wait. */
	drain_check(c);
}

void
drain_look(struct customer *c)
{
	if (!is_busy(c))
		ask(c);
}

void
drain_progress(struct customer *c)
{
	c->drain.again = false;
}

void
drain_check(struct customer *c)
{
	c->drain.stale = true;
	if (c->state != CUSTOMER_READY || is_busy(c))
		return;
	c->drain.ask = true;
	timer_set(c->drain.timer, c->stopping != NULL ? 0 : QUIET_MS);
}
