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

static const struct tagged unknown;

/* Is a message on its way? What is put off waits for the others. */
static bool
is_busy(const struct customer *c)
{
	return c->transactions > c->pipeline.put_off_count;
}

static int64_t
wait_ms(const struct customer *c)
{
	return c->server->conf->drain_wait * 1000;
}

/* Waits for Postfix to send something, from when it was asked for all. A
 * message that is being deferred just now is not yet on flush(8)'s list: so the
 * second flush comes soon, and it is the one that gets the whole time. */
static void
be_patient(struct customer *c)
{
	struct drain *d = &c->drain;

	d->ask = false;
	d->waits = !flush_line_is_idle(d->line);
	if (d->waits)
		timer_stop(d->timer);
	else
		timer_set(d->timer, d->again ? wait_ms(c) : wait_ms(c) / 5);
}

static void
on_flushed(void *arg)
{
	struct customer *c = arg;

	if (c->drain.waits && c->state == CUSTOMER_READY && !is_busy(c))
		be_patient(c);
}

/* The domains that have tags, or those that have none; `counts` NULL: no domain
 * is known to have any. */
static void
flush(struct customer *c, const long *counts, bool tagged)
{
	struct claim *claim;
	size_t i = 0;

	TAILQ_FOREACH(claim, &c->claims, entry) {
		if ((counts != NULL && counts[i] > 0) == tagged)
			flush_line_add(c->drain.line, claim->name);
		i++;
	}
}

/* A session that lingers is there for mail without a tag, too: to ask for its
 * domain makes Postfix forget that nobody was there to take it. */
static void
begin(struct customer *c, const struct tagged *tagged)
{
	c->drain.begun = true;
	flush(c, tagged->counts, true);
	if (!tagged->confirmed || c->who.linger > 0)
		flush(c, tagged->counts, false);
}

static void
begin_unknowing(struct customer *c)
{
	begin(c, &unknown);
	be_patient(c);
}

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
give_up(struct customer *c)
{
	if (c->pipeline.put_off_count > 0) {
		pipeline_release(c);
		return;
	}
	audit_suspect(c->server->audit, "tags without mail");
	if (c->who.linger > 0)
		linger_begin(c);
	else
		customer_quit(c, "tags-without-mail");
}

/* Postfix brings nothing, though there are tags, or nobody knows. */
static void
on_silence(struct customer *c, const struct tagged *tagged)
{
	if (c->drain.again) {
		give_up(c);
		return;
	}
	c->drain.again = true;
	log_info(c->who.id,
	    "mail remains but Postfix is silent, flushing once more");
	flush(c, tagged->counts, tagged->known);
	be_patient(c);
}

static void ask(struct customer *c, bool silent);

static void
on_tags(const struct tagged *tagged, void *arg)
{
	struct customer *c = arg;
	struct drain *d = &c->drain;

	d->question = NULL;
	if (!d->begun)
		begin(c, tagged);
	if (is_busy(c))
		return;
	if (d->stale) {
		ask(c, false);
		return;
	}
	if (c->state == CUSTOMER_LINGERING)
		flush(c, tagged->counts, true);
	if (c->state != CUSTOMER_READY)
		return;
	if (tagged->known &&
	    (unsigned long)tagged->messages <= c->pipeline.put_off_count)
		go_on_or_linger(c);
	else if (d->silent)
		on_silence(c, tagged);
	else
		be_patient(c);
}

static void
ask(struct customer *c, bool silent)
{
	struct drain *d = &c->drain;
	bool asked = d->question != NULL;

	if (!asked) {
		d->stale = false;
		d->silent = silent;
		d->question = settle_ask(
		    c->server->settle, c->domains, c->who.id, on_tags, c);
	}
	/* No answer yet, or no room for the question: patience has an end. */
	if (silent && (asked || d->question == NULL))
		on_silence(c, &unknown);
	else if (d->question == NULL && c->state == CUSTOMER_READY)
		timer_set(d->timer, wait_ms(c));
}

static void
on_timer(void *arg)
{
	struct customer *c = arg;

	if (c->state != CUSTOMER_READY || is_busy(c))
		return;
	if (c->stopping != NULL)
		customer_quit(c, c->stopping);
	else if (!c->drain.begun)
		begin_unknowing(c);
	else
		ask(c, !c->drain.ask);
}

bool
drain_init(struct drain *d, struct customer *c)
{
	*d = (struct drain) { 0 };
	d->timer = timer_new(c->server->loop, on_timer, c);
	d->line = flush_line_new(c->server->flusher, c->who.id, on_flushed, c);
	return d->timer != NULL && d->line != NULL;
}

void
drain_stop(struct drain *d)
{
	timer_stop(d->timer);
	flush_line_free(&d->line);
	if (d->question != NULL)
		question_forget(&d->question);
}

void
drain_free(struct drain *d)
{
	if (d->question != NULL)
		question_forget(&d->question);
	flush_line_free(&d->line);
	timer_free(&d->timer);
}

/* Not for long: mail that waits flows while the database cannot be read. */
void
drain_begin(struct customer *c)
{
	timer_set(c->drain.timer, wait_ms(c) / 5);
	ask(c, false);
	if (c->drain.question == NULL)
		begin_unknowing(c);
}

void
drain_look(struct customer *c)
{
	if (!is_busy(c))
		ask(c, false);
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
	c->drain.waits = false;
	if (c->state != CUSTOMER_READY || is_busy(c))
		return;
	c->drain.ask = true;
	timer_set(c->drain.timer, c->stopping != NULL ? 0 : QUIET_MS);
}
