/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "blame.h"
#include "customer.h"
#include "ending.h"
#include "lmtp.h"
#include "lib/log.h"
#include "odmrd/jobs/lookup.h"
#include "registry.h"
#include "workaround.h"

static void
bury_customer(void *dead)
{
	struct customer *c = dead;

	drain_free(&c->drain);
	history_clear(&c->history);
	linger_free(&c->linger);
	progress_free(&c->progress);
	share_leave(&c->share);
	session_row_free(&c->shown);
	reply_queue_free(&c->owed);
	timer_free(&c->stop_timer);
	free(c->domains);
	free(c->who.login);
	free(c);
}

/* ---- what the parts of a session tell --------------------------------------
 */

static void
on_drained(struct customer *c, const char *reason)
{
	if (c->who.linger == 0 || c->stopping != NULL)
		customer_quit(c, reason);
	else {
		customer_set_state(c, CUSTOMER_LINGERING);
		linger_begin(c);
	}
}

static void
on_progress(void *arg)
{
	struct customer *c = arg;
	struct lmtp *lmtp, *next;

	switch (progress_look(c)) {
	case PROGRESS_MADE:
		if (share_refill(c))
			drain_more(c);
		break;
	case PROGRESS_STALLS:
		share_want(c);
		TAILQ_FOREACH_SAFE(lmtp, &c->lmtps, entry, next)
			lmtp_turn_away(lmtp);
		break;
	case PROGRESS_NONE:
		customer_broken(c, "no-progress");
		break;
	}
}

/* ---- the beginning ---------------------------------------------------------
 */

static bool
init_parts(struct customer *c)
{
	struct server *server = c->server;

	c->traffic = (struct traffic) {
		.budget = { &server->budget,
		    (size_t)server->conf->session_buffer, 0 },
		.quiet = drain_check,
		.customer = c,
	};
	TAILQ_INIT(&c->claims);
	TAILQ_INIT(&c->lmtps);
	pipeline_init(&c->pipeline, customer_lost);
	return reply_queue_init(&c->owed, server, customer_broken, c) &&
	    drain_init(&c->drain, c, on_drained) &&
	    linger_init(&c->linger, c, customer_quit) &&
	    progress_init(&c->progress, server->loop, on_progress, c) &&
	    session_row_init(&c->shown, c);
}

struct customer *
customer_new(struct server *server, struct identity *who, const char *domains,
    const char *owner)
{
	struct customer *c = calloc(1, sizeof(*c));
	char account[OWNER_SIZE];

	if (c == NULL)
		return NULL;
	c->server = server;
	c->domains = strdup(domains);
	c->share = share_join(server->shares,
	    owner != NULL ? owner : lookup_owner(who->account, account));
	if (!init_parts(c) || c->share == NULL || c->domains == NULL) {
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

/* ---- the end ---------------------------------------------------------------
 */

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
	if (c->state != CUSTOMER_QUITTING || c->owed.count > 0)
		return;
	link_printf(c->link, "QUIT\r\n");
	reply_queue_put(&c->owed, EXPECT_QUIT, NULL, 0);
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
	session_row_state(c);
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
	reply_queue_stop(&c->owed);
	if (c->stop_timer != NULL)
		timer_stop(c->stop_timer);
	registry_release(server->registry, c);
	pipeline_fail(c);
	dismiss_lmtps(c, true);
	if (c->link != NULL)
		log_end(c);
	link_close(&c->link);
	session_row_end(c);
	TAILQ_REMOVE(&server->customers, c, entry);
	loop_bury(server->loop, &c->grave, bury_customer, c);
	if (c->ended != NULL)
		c->ended(c);
	server->one_less(server);
}

void
customer_broken(struct customer *c, const char *reason)
{
	workaround_of_end(c, reason);
	blame(c);
	customer_lost(c, reason);
}
