/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "customer.h"
#include "ending.h"
#include "hello.h"
#include "lmtp.h"
#include "log.h"
#include "registry.h"

enum {
	REPLY_LINE_MAX = 4096,
	QUIT_MS = 60000,
	NOOP_MS = 30000,
	FIFO_MIN = 16,
};

void
customer_set_state(struct customer *c, enum customer_state state)
{
	c->state = state;
	live_state(c);
}

/* ---- what is expected -------------------------------------------------- */

static void
arm(struct customer *c)
{
	const struct conf *conf = c->server->conf;
	bool waiting = c->fifo_count > 0 || c->pipeline.current != NULL ||
	    c->state == CUSTOMER_SECURING;
	enum expect next =
	    c->fifo_count > 0 ? c->fifo[c->fifo_head].what : EXPECT_CHUNK;

	if (c->state == CUSTOMER_ENDED)
		return;
	if (!waiting)
		timer_stop(c->timer);
	else if (next == EXPECT_QUIT)
		timer_set(c->timer, QUIT_MS);
	else if (next == EXPECT_NOOP)
		timer_set(c->timer, NOOP_MS);
	else if (next == EXPECT_LAST)
		timer_set(c->timer, conf->data_done_timeout * 1000);
	else
		timer_set(c->timer, conf->customer_timeout * 1000);
}

static bool
grow_fifo(struct customer *c)
{
	size_t size = c->fifo_size > 0 ? 2 * c->fifo_size : FIFO_MIN;
	struct expected *fifo = calloc(size, sizeof(*fifo));

	if (fifo == NULL)
		return false;
	for (size_t i = 0; i < c->fifo_count; i++)
		fifo[i] = c->fifo[(c->fifo_head + i) & (c->fifo_size - 1)];
	free(c->fifo);
	c->fifo = fifo;
	c->fifo_head = 0;
	c->fifo_size = size;
	return true;
}

bool
customer_expect(
    struct customer *c, enum expect what, struct transaction *tx, size_t rcpt)
{
	size_t at;

	if (c->fifo_count == c->fifo_size && !grow_fifo(c)) {
		customer_lost(c, "out-of-memory");
		return false;
	}
	at = (c->fifo_head + c->fifo_count++) & (c->fifo_size - 1);
	c->fifo[at] = (struct expected) { what, tx, rcpt };
	if (tx != NULL)
		tx->expected++;
	if (c->fifo_count == 1)
		arm(c);
	return true;
}

static void
on_timeout(void *arg)
{
	struct customer *c = arg;

	hello_failed(c);
	customer_lost(c, "timeout");
}

/* ---- replies ----------------------------------------------------------- */

static void
dispatch(
    struct customer *c, const struct expected *e, const struct reply *reply)
{
	switch (e->what) {
	case EXPECT_GREETING:
		hello_greeting(c, reply);
		break;
	case EXPECT_EHLO:
		hello_ehlo(c, reply);
		break;
	case EXPECT_HELO:
		hello_helo(c, reply);
		break;
	case EXPECT_STARTTLS:
		hello_starttls(c, reply);
		break;
	case EXPECT_NOOP:
		break;
	case EXPECT_QUIT:
		customer_lost(c, "quit");
		break;
	case EXPECT_RSET:
	case EXPECT_MAIL:
	case EXPECT_RCPT:
	case EXPECT_DATA:
	case EXPECT_CHUNK:
	case EXPECT_LAST:
		pipeline_reply(c, e, reply);
		break;
	}
}

static void
on_reply(struct customer *c)
{
	struct reply reply = c->reply;
	struct expected e;

	c->reply = (struct reply) { 0 };
	c->replies++;
	if (c->fifo_count == 0) {
		log_warning(
		    c->who.id, "unasked for: %d %s", reply.code, reply.text);
		customer_lost(c,
		    reply.code == 421 ? "closed-by-customer" : "unasked-reply");
		return;
	}
	e = c->fifo[c->fifo_head];
	/* RFC 5321 3.8: 421 may come at any point, the line closes then. What
	 * the reply was for is still in the FIFO and hears the reason. */
	if (reply.code == 421 && e.what != EXPECT_QUIT) {
		log_info(c->who.id, "customer closes: %s", reply.text);
		if (e.tx != NULL)
			tx_answer_rest(e.tx, false, 451, reply.text);
		customer_lost(c, "closed-by-customer");
		return;
	}
	if (!pipeline_understands(&e, &reply)) {
		log_warning(c->who.id, "unexpected reply: %d %s", reply.code,
		    reply.text);
		customer_lost(c, "bad-reply");
		return;
	}
	c->fifo_head = (c->fifo_head + 1) & (c->fifo_size - 1);
	c->fifo_count--;
	dispatch(c, &e, &reply);
}

static void
on_reply_line(struct customer *c, const char *line, size_t len)
{
	bool first = c->reply.lines == 0;

	switch (reply_line(&c->reply, line, len)) {
	case REPLY_MORE:
	case REPLY_DONE:
		break;
	case REPLY_BAD:
		log_warning(c->who.id, "no SMTP reply: %.100s", line);
		customer_lost(c, "bad-reply");
		return;
	}
	if (!first && len > 4 && c->fifo_count > 0 &&
	    c->fifo[c->fifo_head].what == EXPECT_EHLO && c->reply.code == 250)
		hello_learn(c, line + 4);
	if (len < 4 || line[3] == ' ')
		on_reply(c);
}

static void
on_input(void *owner)
{
	struct customer *c = owner;
	uint64_t replies = c->replies;
	char *line;
	size_t len;

	while (c->state != CUSTOMER_ENDED)
		switch (link_line(c->link, REPLY_LINE_MAX, true, &line, &len)) {
		case LINE_NONE:
			pipeline_run(c);
			/* A part of a reply buys no time. */
			if (c->replies != replies)
				arm(c);
			return;
		case LINE_OK:
			on_reply_line(c, line, len);
			break;
		case LINE_LONG:
		case LINE_BAD:
			customer_lost(c, "bad-reply");
			break;
		}
}

static void
on_drained(void *owner)
{
	struct customer *c = owner;

	pipeline_run(c);
	arm(c);
}

static void
on_ended(void *owner, const char *why)
{
	struct customer *c = owner;

	if (c->state != CUSTOMER_QUITTING)
		log_info(c->who.id, "line lost: %s", why);
	hello_failed(c);
	customer_lost(c, "lost");
}

static void
on_secured(void *owner)
{
	hello_secured(owner);
}

static const struct link_role customer_role = {
	.input = on_input,
	.drained = on_drained,
	.secured = on_secured,
	.ended = on_ended,
};

/* ---- life -------------------------------------------------------------- */

static void
bury_customer(void *dead)
{
	struct customer *c = dead;

	drain_free(&c->drain);
	linger_free(&c->linger);
	live_free(&c->live);
	timer_free(&c->timer);
	timer_free(&c->stop_timer);
	free(c->domains);
	free(c->fifo);
	free(c->who.login);
	free(c);
}

struct customer *
customer_new(struct server *server, struct identity *who, const char *domains)
{
	struct customer *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->server = server;
	c->budget = (struct budget) { &server->budget,
		(size_t)server->conf->session_buffer, 0 };
	TAILQ_INIT(&c->claims);
	TAILQ_INIT(&c->lmtps);
	pipeline_init(&c->pipeline);
	c->domains = strdup(domains);
	c->timer = timer_new(server->loop, on_timeout, c);
	if (!drain_init(&c->drain, c) || !linger_init(&c->linger, c) ||
	    !live_init(&c->live, c) || c->domains == NULL || c->timer == NULL) {
		bury_customer(c);
		return NULL;
	}
	c->who = *who;
	who->login = NULL;
	c->began = time(NULL);
	c->began_ms = loop_now_ms();
	TAILQ_INSERT_TAIL(&server->customers, c, entry);
	return c;
}

void
customer_turn(struct customer *c, struct link *link)
{
	c->link = link;
	link_hand_over(link, &customer_role, c);
	customer_set_state(c, CUSTOMER_GREETING);
	if (customer_expect(c, EXPECT_GREETING, NULL, 0))
		arm(c);
}

bool
customer_takes_mail(const struct customer *c)
{
	return (c->state == CUSTOMER_READY || c->state == CUSTOMER_LINGERING) &&
	    c->stopping == NULL;
}

void
customer_wake(struct customer *c)
{
	if (c->state != CUSTOMER_LINGERING)
		return;
	linger_end(&c->linger);
	customer_set_state(c, CUSTOMER_READY);
}

bool
customer_noop(struct customer *c)
{
	link_printf(c->link, "NOOP\r\n");
	if (!customer_expect(c, EXPECT_NOOP, NULL, 0))
		return false;
	arm(c);
	live_note(c);
	return true;
}

uint64_t
customer_pulse(const struct customer *c)
{
	return c->replies + (c->link != NULL ? link_taken(c->link) : 0);
}

void
customer_count(struct customer *c, const struct transaction *tx)
{
	bool delivered = tx_count(tx, 2) > 0, refused = tx_count(tx, 5) > 0;

	c->tally.attempted++;
	c->tally.delivered += delivered;
	c->tally.refused += refused;
	c->tally.kept += tx_count(tx, 4) > 0;
	c->tally.bytes += delivered ? tx->bytes : 0;
	if (delivered || refused)
		drain_progress(c);
}

static void
dismiss_lmtps(struct customer *c, bool lost)
{
	struct lmtp *lmtp, *next;

	TAILQ_FOREACH_SAFE(lmtp, &c->lmtps, entry, next)
		lmtp_dismiss(lmtp, lost);
}

static void
log_end(const struct customer *c)
{
	const struct ending ending = {
		.who = &c->who,
		.link = c->link,
		.domains = c->domains,
		.plan = pipeline_plan_name(c->pipeline.plan),
		.tally = &c->tally,
		.began_ms = c->began_ms,
		.reason = c->reason,
	};

	ending_log("session", &ending);
}

void
customer_quit(struct customer *c, const char *reason)
{
	c->reason = reason;
	drain_stop(&c->drain);
	linger_end(&c->linger);
	registry_release(c->server->registry, c);
	customer_set_state(c, CUSTOMER_QUITTING);
	dismiss_lmtps(c, false);
	link_printf(c->link, "QUIT\r\n");
	if (customer_expect(c, EXPECT_QUIT, NULL, 0))
		arm(c);
}

static void
on_stop_timeout(void *arg)
{
	customer_lost(arg, "stop-timeout");
}

/* When odmrd stops, it has one timer for all. */
static bool
limit_stop(struct customer *c)
{
	c->stop_timer = timer_new(c->server->loop, on_stop_timeout, c);
	if (c->stop_timer == NULL)
		return false;
	timer_set(c->stop_timer, c->server->conf->stop_timeout * 1000);
	return true;
}

void
customer_stop(struct customer *c, const char *reason)
{
	if (c->state < CUSTOMER_READY) {
		customer_lost(c, reason);
		return;
	}
	if (c->state > CUSTOMER_LINGERING || c->stopping != NULL)
		return;
	if (!c->server->stopping && !limit_stop(c)) {
		customer_lost(c, "out-of-memory");
		return;
	}
	customer_wake(c);
	c->stopping = reason;
	registry_release(c->server->registry, c);
	dismiss_lmtps(c, false);
	drain_check(c);
}

void
customer_lost(struct customer *c, const char *reason)
{
	struct server *server = c->server;

	if (c->state == CUSTOMER_ENDED)
		return;
	customer_set_state(c, CUSTOMER_ENDED);
	if (c->reason == NULL)
		c->reason = reason;
	drain_stop(&c->drain);
	linger_end(&c->linger);
	timer_stop(c->timer);
	if (c->stop_timer != NULL)
		timer_stop(c->stop_timer);
	registry_release(server->registry, c);
	pipeline_fail(c, 451, "4.4.2 The line to the customer was lost");
	dismiss_lmtps(c, true);
	if (c->link != NULL)
		log_end(c);
	link_close(&c->link);
	live_end(c);
	TAILQ_REMOVE(&server->customers, c, entry);
	loop_bury(server->loop, bury_customer, c);
	server_one_less(server);
}
