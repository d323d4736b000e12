/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "customer.h"
#include "dial.h"
#include "lib/log.h"
#include "odmrd/jobs/lookup.h"
#include "registry.h"

enum { DIALS_MAX = 100, THREADS = 4 };
/* Postfix's smtp_connect_timeout, for each address. */
enum { CONNECT_MS = 30000, REST_MS = 10000 };

enum dial_state {
	DIAL_WAITING,    /* all of DIALS_MAX are taken */
	DIAL_LOOKING,    /* the worker looks up the addresses */
	DIAL_CONNECTING, /* to the address before `next` */
	DIAL_IN_SESSION,
	DIAL_RESTING, /* the server could not be had a moment ago */
};

struct dials {
	struct server *server;
	struct worker *worker;
	void *by_name; /* a tsearch(3) tree */
	TAILQ_HEAD(dial_list, dial) all;
	struct dial_list waiting;
	int busy; /* of DIALS_MAX */
};

struct dial {
	struct lookup lookup;
	struct later grave;
	TAILQ_ENTRY(dial) entry, turn;
	struct dials *dials;
	enum dial_state state;
	bool again; /* somebody has asked meanwhile */
	size_t next;
	struct link *link; /* while it connects */
	struct timer *timer;
	/* From looking on, so that whatever ends sessions ends this, too:
	 * NULL, it has ended. */
	struct customer *customer;
};

static void
set_state(struct dial *dial, enum dial_state state)
{
	/* In the order of the enum. */
	static const char *const names[] = { "waiting", "looking", "connecting",
		"delivering", "resting" };

	log_state(NULL, "dial", dial->lookup.domain, names[dial->state],
	    names[state]);
	dial->state = state;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct dial *)a)->lookup.domain,
	    ((const struct dial *)b)->lookup.domain);
}

static struct dial *
find(const struct dials *dials, const char *domain)
{
	struct dial key, **found;

	strlcpy(key.lookup.domain, domain, DOMAIN_SIZE);
	found = tfind(&key, &dials->by_name, compare);
	return found != NULL ? *found : NULL;
}

/* ---- the turns ----------------------------------------------------------- */

static void start(struct dial *dial);

static void
serve(struct dials *dials)
{
	struct dial *dial;

	while (dials->busy < DIALS_MAX && !dials->server->stopping &&
	    (dial = TAILQ_FIRST(&dials->waiting)) != NULL) {
		TAILQ_REMOVE(&dials->waiting, dial, turn);
		dials->busy++;
		start(dial);
	}
}

static void
begin(struct dial *dial)
{
	dial->again = false;
	set_state(dial, DIAL_WAITING);
	TAILQ_INSERT_TAIL(&dial->dials->waiting, dial, turn);
	serve(dial->dials);
}

static void
bury_dial(void *dead)
{
	struct dial *dial = dead;

	timer_free(&dial->timer);
	free(dial);
}

static void
forget(struct dial *dial)
{
	struct dials *dials = dial->dials;

	timer_stop(dial->timer);
	tdelete(dial, &dials->by_name, compare);
	TAILQ_REMOVE(&dials->all, dial, entry);
	loop_bury(dials->server->loop, &dial->grave, bury_dial, dial);
}

/* It came to nothing, or to an end: dialled once more if somebody has asked. */
static void
end(struct dial *dial, bool rests)
{
	struct dials *dials = dial->dials;

	dials->busy--;
	if (dials->server->stopping || (!rests && !dial->again))
		forget(dial);
	else if (rests) {
		set_state(dial, DIAL_RESTING);
		timer_set(dial->timer, REST_MS);
	} else
		begin(dial);
	serve(dials);
}

/* Where the line was never there, this is not in the log. */
static void
on_customer_ended(struct customer *c)
{
	struct dial *dial = find(c->server->dials, c->domains);

	dial->customer = NULL;
	timer_stop(dial->timer);
	link_abort(&dial->link);
	/* What a worker has it brings back. */
	if (dial->state != DIAL_LOOKING)
		end(dial, c->tally.delivered + c->tally.refused == 0);
}

static struct customer *
new_customer(struct dial *dial)
{
	struct identity who = { .client = "-", .login = strdup("-") };
	struct customer *c = NULL;

	identity_make_id(who.id);
	if (who.login != NULL)
		c = customer_new(
		    dial->dials->server, &who, dial->lookup.domain);
	free(who.login);
	if (c != NULL)
		c->ended = on_customer_ended;
	return c;
}

static void
start(struct dial *dial)
{
	struct dials *dials = dial->dials;

	dial->customer = new_customer(dial);
	if (dial->customer == NULL) {
		log_error(NULL, "out of memory: %s is not dialled",
		    dial->lookup.domain);
		end(dial, true);
		return;
	}
	set_state(dial, DIAL_LOOKING);
	dial->next = 0;
	lookup_begin(
	    &dial->lookup, dials->worker, dials->server->conf->myhostname);
}

static void
unreachable(struct dial *dial)
{
	log_warning(dial->customer->who.id,
	    "unreachable: domain=%s reason=\"%s\"", dial->lookup.domain,
	    dial->lookup.route.why);
	customer_lost(dial->customer, "unreachable");
}

/* ---- the connection --------------------------------------------------- */

/* What stands in the brackets. */
static void
name_client(struct customer *c, const char *text)
{
	snprintf(c->who.client, sizeof(c->who.client), "%.*s",
	    (int)strcspn(text + 1, "]"), text + 1);
}

static void
on_connected(void *owner)
{
	struct dial *dial = owner;
	struct customer *c = dial->customer;
	struct link *link = dial->link;

	timer_stop(dial->timer);
	if (registry_claim(c->server->registry, c, dial->lookup.domain,
		dial->lookup.socket) != CLAIM_OK) {
		strcpy(dial->lookup.route.why, "its socket is not to be had");
		unreachable(dial);
		return;
	}
	set_state(dial, DIAL_IN_SESSION);
	dial->link = NULL;
	name_client(c, dial->lookup.route.all[dial->next - 1].text);
	c->began = time(NULL);
	c->began_ms = loop_now_ms();
	customer_turn(c, link);
}

static void
explain(struct dial *dial, const char *why)
{
	struct route *route = &dial->lookup.route;

	snprintf(route->why, sizeof(route->why), "%s: %s",
	    route->all[dial->next - 1].text, why);
}

static void connect_next(struct dial *dial);

static void
on_ended(void *owner, const char *why)
{
	struct dial *dial = owner;

	link_abort(&dial->link);
	explain(dial, why);
	connect_next(dial);
}

/* Nothing is read before it is another's: what is sent, which is nothing, has
 * drained as soon as the line is there. */
static const struct link_role dial_role = {
	.drained = on_connected,
	.ended = on_ended,
};

static void
connect_next(struct dial *dial)
{
	struct loop *loop = dial->dials->server->loop;
	const struct address *to;

	while (dial->next < dial->lookup.route.count) {
		to = &dial->lookup.route.all[dial->next++];
		dial->link = link_connect(
		    loop, (const void *)&to->addr, to->len, &dial_role, dial);
		if (dial->link != NULL) {
			timer_set(dial->timer, CONNECT_MS);
			return;
		}
		explain(dial, strerror(errno));
	}
	timer_stop(dial->timer);
	unreachable(dial);
}

static void
done(struct job *job)
{
	struct dial *dial = (struct dial *)job;

	set_state(dial, DIAL_CONNECTING);
	if (dial->customer == NULL)
		end(dial, false);
	else if (dial->lookup.result == STORE_NONE) {
		log_info(dial->customer->who.id,
		    "not dialled: %s is not on hold any more",
		    dial->lookup.domain);
		customer_lost(dial->customer, "withdrawn");
	} else
		connect_next(dial);
}

/* ---- from outside ----------------------------------------------------- */

static void
on_timer(void *arg)
{
	struct dial *dial = arg;

	if (dial->state == DIAL_CONNECTING)
		on_ended(dial, "no connection in time");
	else if (!dial->again)
		forget(dial);
	else
		begin(dial);
}

static struct dial *
dial_new(struct dials *dials, const char *domain)
{
	struct dial *dial = calloc(1, sizeof(*dial)), **placed = NULL;

	if (dial == NULL)
		return NULL;
	dial->dials = dials;
	strlcpy(dial->lookup.domain, domain, DOMAIN_SIZE);
	dial->lookup.job.done = done;
	dial->timer = timer_new(dials->server->loop, on_timer, dial);
	if (dial->timer != NULL)
		placed = tsearch(dial, &dials->by_name, compare);
	if (placed == NULL) {
		bury_dial(dial);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&dials->all, dial, entry);
	return dial;
}

/* Asked for while it goes on, or rests. */
static void
ask_again(struct dial *dial)
{
	struct customer *c = dial->customer;

	if (c != NULL && (customer_takes_mail(c) || !c->ready))
		drain_doubt(c);
	else if (dial->state != DIAL_WAITING)
		dial->again = true;
}

bool
dial_domain(struct dials *dials, const char *domain)
{
	struct dial *dial = find(dials, domain);

	if (dials->server->stopping)
		return false;
	if (dial != NULL)
		ask_again(dial);
	else if ((dial = dial_new(dials, domain)) != NULL)
		begin(dial);
	return dial != NULL;
}

struct dials *
dials_new(struct server *server)
{
	struct dials *dials = calloc(1, sizeof(*dials));

	if (dials == NULL)
		return NULL;
	dials->server = server;
	TAILQ_INIT(&dials->all);
	TAILQ_INIT(&dials->waiting);
	dials->worker = worker_new(server->loop, server->conf, THREADS);
	if (dials->worker == NULL) {
		free(dials);
		return NULL;
	}
	return dials;
}

/* The others have a customer, which is stopped like all. */
void
dials_stop(struct dials *dials)
{
	struct dial *dial, *next;

	TAILQ_FOREACH_SAFE(dial, &dials->all, entry, next)
		if (dial->state == DIAL_WAITING || dial->state == DIAL_RESTING)
			forget(dial);
}

void
dials_free(struct dials **dials)
{
	struct dial *dial;

	if (*dials == NULL)
		return;
	worker_free(&(*dials)->worker);
	while ((dial = TAILQ_FIRST(&(*dials)->all)) != NULL)
		forget(dial);
	free(*dials);
	*dials = NULL;
}
