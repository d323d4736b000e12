/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "customer.h"
#include "customer_reply.h"
#include "ending.h"
#include "hello.h"
#include "lmtp.h"
#include "lib/log.h"
#include "registry.h"

void
identity_make_id(char id[SESSION_ID_SIZE])
{
	static unsigned count;

	snprintf(id, SESSION_ID_SIZE, "%08llX%04X",
	    (unsigned long long)time(NULL) & 0xffffffff, count++ & 0xffff);
}

bool
identity_copy(struct identity *copy, const struct identity *who)
{
	*copy = *who;
	if (who->login != NULL)
		copy->login = strdup(who->login);
	return (copy->login == NULL) == (who->login == NULL);
}

void
customer_set_state(struct customer *c, enum customer_state state)
{
	/* In the order of the enum. */
	static const char *const names[] = { "claimed", "greeting", "ehlo",
		"helo", "securing", "ready", "lingering", "quitting", "ended" };

	log_state(c->who.id, "customer", NULL, names[c->state], names[state]);
	c->state = state;
	live_state(c);
}

static void
bury_customer(void *dead)
{
	struct customer *c = dead;

	drain_free(&c->drain);
	history_clear(&c->history);
	linger_free(&c->linger);
	progress_free(&c->progress);
	share_leave(&c->share);
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
	c->timer = timer_new(server->loop, customer_overdue, c);
	c->share = share_join(server->shares, who->account);
	if (!drain_init(&c->drain, c) || !linger_init(&c->linger, c) ||
	    !progress_init(&c->progress, c) || c->share == NULL ||
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
	link_quick_ack(link);
	customer_set_state(c, CUSTOMER_GREETING);
	hello_prepare(c);
	if (customer_expect(c, EXPECT_GREETING, NULL, 0))
		customer_arm(c);
}

bool
customer_takes_mail(const struct customer *c)
{
	return c->ready && c->state <= CUSTOMER_LINGERING &&
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
	/* One that is still to be answered asks already. */
	if (c->fifo_count > 0)
		return true;
	link_printf(c->link, "NOOP\r\n");
	if (!customer_expect(c, EXPECT_NOOP, NULL, 0))
		return false;
	customer_arm(c);
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
	pipeline_decline(c);
	dismiss_lmtps(c, false);
	customer_say_quit(c);
}

void
customer_say_quit(struct customer *c)
{
	if (c->state != CUSTOMER_QUITTING || c->fifo_count > 0)
		return;
	link_printf(c->link, "QUIT\r\n");
	if (customer_expect(c, EXPECT_QUIT, NULL, 0))
		customer_arm(c);
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
	live_state(c);
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
	progress_watch(c);
	history_clear(&c->history);
	timer_stop(c->timer);
	if (c->stop_timer != NULL)
		timer_stop(c->stop_timer);
	registry_release(server->registry, c);
	pipeline_fail(c);
	dismiss_lmtps(c, true);
	if (c->link != NULL)
		log_end(c);
	link_close(&c->link);
	live_end(c);
	TAILQ_REMOVE(&server->customers, c, entry);
	loop_bury(server->loop, &c->grave, bury_customer, c);
	if (c->ended != NULL)
		c->ended(c);
	server->one_less(server);
}
