/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "odmrd/jobs/reconciler.h"
#include "customer.h"
#include "drain.h"
#include "odmrd/jobs/flusher.h"
#include "lib/lines.h"
#include "lib/log.h"
#include "odmrd/jobs/settle.h"
#include "strays.h"

/* Postfix sends the next message within a millisecond of an answer; the tags
 * are asked only when it has been quiet for longer. */
enum { QUIET_MS = 30 };

/* Postfix is waited for so many times drain_wait, with pauses of so many times
 * drain_wait at most: that is 330 s and 30 s. Mail that another flush met while
 * it was being delivered stays in its incoming queue for 300 s. */
enum { PATIENCE = 66, PAUSES = 6 };
/* So often it is asked by id for mail that waits beside what it is about to
 * deliver. */
enum { LOOKS = 3 };

static const struct tagged unknown;

/* Is a message on its way? What is put off waits for the others. */
static bool
is_busy(const struct customer *c)
{
	return traffic_is_busy(&c->traffic);
}

static void
set_state(struct customer *c, enum drain_state state)
{
	/* In the order of the enum. */
	static const char *const names[] = { "new", "flowing", "flushing",
		"waiting" };

	log_state(
	    c->who.id, "drain", NULL, names[c->drain.state], names[state]);
	c->drain.state = state;
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

	set_state(
	    c, flush_line_is_idle(d->line) ? DRAIN_WAITING : DRAIN_FLUSHING);
	if (d->state == DRAIN_FLUSHING)
		timer_stop(d->timer);
	else if (d->until_ms != 0)
		timer_set(d->timer, d->pause_ms);
	else
		timer_set(d->timer, d->again ? wait_ms(c) : wait_ms(c) / 5);
}

static void
on_flushed(void *arg)
{
	struct customer *c = arg;

	if (c->drain.state == DRAIN_FLUSHING && c->state == CUSTOMER_READY &&
	    !is_busy(c))
		be_patient(c);
}

/* The domains that have tags, or those that have none; `counts` NULL: no domain
 * is known to have any. */
static void
flush(struct customer *c, const long *counts, bool tagged)
{
	const char *domains = c->domains;
	char name[DOMAIN_SIZE];

	for (size_t i = 0; lines_next(&domains, name, sizeof(name)); i++)
		if ((counts != NULL && counts[i] > 0) == tagged)
			flush_line_add(c->drain.line, name);
}

/* A session that lingers is there for mail without a tag, too: to ask for its
 * domain makes Postfix forget that nobody was there to take it. */
static void
begin(struct customer *c, const struct tagged *tagged)
{
	set_state(c, DRAIN_FLOWING);
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
finish(struct customer *c, const char *reason)
{
	if (c->traffic.put_off > 0)
		pipeline_release(c);
	else
		c->drain.over(c, reason);
}

static void ask(struct customer *c, bool silent);

static void
give_up(struct customer *c)
{
	if (c->traffic.put_off == 0)
		reconciler_request(c->server->reconciler, "tags without mail");
	finish(c, "tags-without-mail");
}

/* Postfix has the mail, or may have it: it is slow, as when all its processes
 * are taken or it has just been started. It is looked at ever more rarely. */
static void
wait_for_postfix(struct customer *c, const char *why)
{
	struct drain *d = &c->drain;
	int64_t now = loop_now_ms();

	if (d->until_ms == 0) {
		d->until_ms = now + PATIENCE * wait_ms(c);
		d->pause_ms = wait_ms(c) / 2;
	}
	if (now >= d->until_ms) {
		give_up(c);
		return;
	}
	if (!d->told)
		log_info(c->who.id, "waits for Postfix: %s", why);
	d->told = true;
	d->pause_ms = d->pause_ms * 2 < PAUSES * wait_ms(c)
	    ? d->pause_ms * 2
	    : PAUSES * wait_ms(c);
	be_patient(c);
}

static bool
once_more(struct customer *c)
{
	struct drain *d = &c->drain;
	bool first = !d->again;

	if (first)
		log_info(c->who.id,
		    "mail remains but Postfix is silent, flushing once more");
	d->again = true;
	return first;
}

/* What Postfix is about to deliver is not flushed: that would take what is
 * deferred meanwhile off flush(8)'s list. */
static void
decide(struct customer *c, const struct strays *strays, bool known)
{
	struct drain *d = &c->drain;

	if (known && (uint64_t)strays->question.coming > c->traffic.put_off) {
		if (d->looks++ < LOOKS)
			strays_flush_messages(strays, d->line);
		wait_for_postfix(c, "it has mail that it does not send yet");
	} else if (c->wants_more) {
		c->wants_more = false;
		if (!c->progress.slow)
			strays_flush_domains(strays, d->line);
		strays_flush_messages(strays, d->line);
		wait_for_postfix(c, "its share of the deliveries was taken");
	} else if (once_more(c)) {
		strays_flush_domains(strays, d->line);
		strays_flush_messages(strays, d->line);
		be_patient(c);
	} else if (!known && flush_line_works(d->line))
		wait_for_postfix(c, "its queue cannot be listed");
	else
		give_up(c);
}

static void
on_strays(struct customer *c, const struct strays *strays, bool known)
{
	struct drain *d = &c->drain;

	d->strays = NULL;
	if (is_busy(c))
		return;
	/* What is on hold counts no more. */
	if (known && strays_hold(strays)) {
		ask(c, true);
		return;
	}
	if (d->stale) {
		ask(c, false);
		return;
	}
	if (c->state == CUSTOMER_READY)
		decide(c, strays, known);
	else if (c->state == CUSTOMER_LINGERING) {
		strays_flush_domains(strays, d->line);
		strays_flush_messages(strays, d->line);
	}
}

/* Postfix brings nothing, though there are tags, or nobody knows. */
static void
on_silence(struct customer *c, const struct tagged *tagged)
{
	struct drain *d = &c->drain;

	if (d->strays != NULL)
		return;
	if (tagged->known)
		d->strays = strays_seek(c, tagged, on_strays);
	if (d->strays != NULL)
		timer_stop(d->timer);
	else if (once_more(c)) {
		flush(c, tagged->counts, tagged->known);
		be_patient(c);
	} else
		give_up(c);
}

/* Some that were turned away. Of a slow customer's most would be once more. */
static void
flush_more(struct customer *c, const struct tagged *tagged)
{
	char id[QUEUE_ID_MAX + 1];
	const char *ids = tagged->ids;

	c->drain.more = false;
	if (!c->progress.slow || !tagged->known || ids[0] == '\0')
		flush(c, tagged->counts, true);
	else
		while (lines_next(&ids, id, sizeof(id)))
			flush_line_add_message(c->drain.line, id);
}

static void
on_tags(const struct tagged *tagged, void *arg)
{
	struct customer *c = arg;
	struct drain *d = &c->drain;

	d->question = NULL;
	if (d->state == DRAIN_NEW)
		begin(c, tagged);
	else if (d->more)
		flush_more(c, tagged);
	if (is_busy(c))
		return;
	if (d->stale) {
		ask(c, false);
		return;
	}
	if (c->state == CUSTOMER_LINGERING && tagged->messages > 0)
		on_silence(c, tagged);
	if (c->state != CUSTOMER_READY)
		return;
	if (tagged->known &&
	    (unsigned long)tagged->messages <= c->traffic.put_off)
		finish(c, "drained");
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
		d->question = settle_ask(c->server->settle, c->domains,
		    c->who.id, silent || d->more ? STRAYS_MAX : 0, on_tags, c);
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
		c->drain.over(c, c->stopping);
	else if (c->drain.state == DRAIN_NEW)
		begin_unknowing(c);
	else
		ask(c, c->drain.state != DRAIN_FLOWING);
}

bool
drain_init(struct drain *d, struct customer *c, drain_over *over)
{
	*d = (struct drain) { .over = over };
	d->timer = timer_new(c->server->loop, on_timer, c);
	d->line = flush_line_new(c->server->flusher, c->who.id, on_flushed, c);
	return d->timer != NULL && d->line != NULL;
}

void
drain_stop(struct drain *d)
{
	timer_stop(d->timer);
	strays_forget(&d->strays);
	flush_line_free(&d->line);
	if (d->question != NULL)
		question_forget(&d->question);
}

void
drain_free(struct drain *d)
{
	if (d->question != NULL)
		question_forget(&d->question);
	strays_forget(&d->strays);
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
	if (!is_busy(c) && c->drain.question == NULL)
		ask(c, true);
}

void
drain_more(struct customer *c)
{
	if (c->state != CUSTOMER_READY || c->stopping != NULL)
		return;
	c->drain.more = true;
	ask(c, false);
}

void
drain_progress(struct customer *c)
{
	c->drain.again = false;
	c->drain.looks = 0;
	c->drain.until_ms = 0;
}

void
drain_doubt(struct customer *c)
{
	c->drain.stale = true;
}

void
drain_check(struct customer *c)
{
	c->drain.stale = true;
	if (c->state != CUSTOMER_READY || is_busy(c))
		return;
	if (c->drain.state != DRAIN_NEW)
		set_state(c, DRAIN_FLOWING);
	timer_set(c->drain.timer, c->stopping != NULL ? 0 : QUIET_MS);
}
