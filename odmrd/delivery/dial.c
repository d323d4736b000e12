/* SPDX-License-Identifier: ISC */
#include <netinet/in.h>

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
#include "places.h"
#include "reach.h"

/* GREETING_MS: while others wait. */
enum { GREETING_MS = 30000, REST_MS = 10000 };
enum { SMTP_PORT = 25 };

enum dial_state {
	DIAL_ASKING,     /* the database tells whose the domain is */
	DIAL_WAITING,    /* for a place; from the next one on it has it */
	DIAL_READING,    /* the database tells the next hop of now */
	DIAL_LOOKING,    /* the DNS tells its addresses */
	DIAL_SHARING,    /* for a place again: of those of its first address */
	DIAL_CONNECTING, /* to one address after the other */
	DIAL_IN_SESSION,
	DIAL_RESTING, /* the server could not be had a moment ago */
};

struct dials {
	struct server *server;
	struct lookups *lookups;
	struct places *places;
	void *by_name; /* a tsearch(3) tree */
	TAILQ_HEAD(, dial) all;
};

struct dial {
	struct place place;
	struct later grave;
	TAILQ_ENTRY(dial) entry;
	char domain[DOMAIN_SIZE];
	struct lookup *lookup;
	struct dials *dials;
	enum dial_state state;
	bool again;          /* somebody has asked meanwhile */
	struct reach reach;  /* while it connects */
	struct timer *timer; /* in a session, and while it rests */
	/* From reading on, so that whatever ends sessions ends this, too:
	 * NULL, it has ended. */
	struct customer *customer;
};

static void
set_state(struct dial *dial, enum dial_state state)
{
	/* In the order of the enum. */
	static const char *const names[] = { "asking", "waiting", "reading",
		"looking", "sharing", "connecting", "delivering", "resting" };

	log_state(NULL, "dial", dial->domain, names[dial->state], names[state]);
	dial->state = state;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(
	    ((const struct dial *)a)->domain, ((const struct dial *)b)->domain);
}

static struct dial *
find(const struct dials *dials, const char *domain)
{
	struct dial key, **found;

	strlcpy(key.domain, domain, DOMAIN_SIZE);
	found = tfind(&key, &dials->by_name, compare);
	return found != NULL ? *found : NULL;
}

/* ---- beginning and end --------------------------------------------------- */

static void
begin(struct dial *dial)
{
	dial->again = false;
	set_state(dial, DIAL_ASKING);
	lookup_read(dial->lookup, NULL);
}

static void
bury_dial(void *dead)
{
	struct dial *dial = dead;

	timer_free(&dial->timer);
	reach_free(&dial->reach);
	lookup_free(&dial->lookup);
	free(dial);
}

static void
forget(struct dial *dial)
{
	struct dials *dials = dial->dials;

	place_end(dials->places, &dial->place);
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

	place_end(dials->places, &dial->place);
	if (dials->server->stopping || (!rests && !dial->again))
		forget(dial);
	else if (rests) {
		set_state(dial, DIAL_RESTING);
		timer_set(dial->timer, REST_MS);
	} else
		begin(dial);
}

/* Mail can flow: it is a session like all. */
static void
on_customer_begun(struct customer *c)
{
	struct dial *dial = c->keeper;

	timer_stop(dial->timer);
	place_settle(dial->dials->places, &dial->place);
}

/* Where the line was never there, this is not in the log. */
static void
on_customer_ended(struct customer *c)
{
	struct dial *dial = c->keeper;

	dial->customer = NULL;
	timer_stop(dial->timer);
	reach_stop(&dial->reach);
	/* What a thread has it brings back. */
	if (dial->state != DIAL_READING && dial->state != DIAL_LOOKING)
		end(dial, c->tally.delivered + c->tally.refused == 0);
}

static struct customer *
new_customer(struct dial *dial)
{
	struct identity who = { .client = "-", .login = strdup("-") };
	struct customer *c = NULL;

	identity_make_id(who.id);
	if (who.login != NULL)
		c = customer_new(dial->dials->server, &who, dial->domain,
		    dial->lookup->owner);
	free(who.login);
	if (c != NULL) {
		c->begun = on_customer_begun;
		c->ended = on_customer_ended;
		c->keeper = dial;
	}
	return c;
}

static void
connect_now(struct dial *dial)
{
	set_state(dial, DIAL_CONNECTING);
	reach_begin(&dial->reach, &dial->lookup->route);
}

/* It has its place. */
static void
start(struct place *place)
{
	struct dial *dial = (struct dial *)place;

	if (dial->state == DIAL_SHARING) {
		connect_now(dial);
		return;
	}
	dial->customer = new_customer(dial);
	if (dial->customer == NULL) {
		log_error(
		    NULL, "out of memory: %s is not dialled", dial->domain);
		end(dial, true);
		return;
	}
	set_state(dial, DIAL_READING);
	lookup_read(dial->lookup, dial->dials->server->conf);
}

static void
wait_for_place(struct dial *dial)
{
	struct dials *dials = dial->dials;

	if (dials->server->stopping) {
		forget(dial);
		return;
	}
	set_state(dial, DIAL_WAITING);
	if (!place_wait(dials->places, &dial->place, dial->lookup->owner)) {
		log_error(
		    NULL, "out of memory: %s is not dialled", dial->domain);
		end(dial, true);
	}
}

static void
unreachable(void *owner)
{
	struct dial *dial = owner;

	log_warning(dial->customer->who.id,
	    "unreachable: domain=%s reason=\"%s\"", dial->domain,
	    dial->lookup->route.why);
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

/* As Postfix does: elsewhere another server of this host may listen. */
static bool
is_smtp(const struct address *to)
{
	return ((const struct sockaddr_in *)&to->addr)->sin_port ==
	    htons(SMTP_PORT);
}

static void
on_connected(void *owner, const struct address *to)
{
	struct dial *dial = owner;
	struct customer *c = dial->customer;
	struct link *link = dial->reach.link;

	if (registry_claim(c->server->registry, c, dial->domain,
		dial->lookup->socket) != CLAIM_OK) {
		strcpy(dial->lookup->route.why, "its socket is not to be had");
		unreachable(dial);
		return;
	}
	set_state(dial, DIAL_IN_SESSION);
	timer_set(dial->timer, GREETING_MS);
	dial->reach.link = NULL;
	name_client(c, to->text);
	if (is_smtp(to))
		c->ourselves = dial->lookup->ourselves;
	c->began = time(NULL);
	c->began_ms = loop_now_ms();
	customer_turn(c, link);
}

static void
on_read(struct dial *dial)
{
	struct lookup *lookup = dial->lookup;

	if (lookup->result == STORE_OK) {
		set_state(dial, DIAL_LOOKING);
		lookup_resolve(lookup);
		return;
	}
	set_state(dial, DIAL_CONNECTING);
	if (lookup->result == STORE_NONE) {
		log_info(dial->customer->who.id,
		    "not dialled: %s is not on hold any more", dial->domain);
		customer_lost(dial->customer, "withdrawn");
	} else
		unreachable(dial);
}

/* Many names of nobody may lead to one server. */
static void
share_address(struct dial *dial)
{
	struct places *places = dial->dials->places;
	struct route *route = &dial->lookup->route;

	place_end(places, &dial->place);
	set_state(dial, DIAL_SHARING);
	if (!place_wait(places, &dial->place, route->all[0].text)) {
		strcpy(route->why, "out of memory");
		unreachable(dial);
	}
}

static void
on_lookup(void *arg)
{
	struct dial *dial = arg;

	if (dial->state == DIAL_ASKING)
		wait_for_place(dial);
	else if (dial->customer == NULL)
		end(dial, false);
	else if (dial->state == DIAL_READING)
		on_read(dial);
	else if (dial->lookup->has_owner || dial->lookup->route.count == 0)
		connect_now(dial);
	else
		share_address(dial);
}

/* ---- from outside ----------------------------------------------------- */

/* A server that takes its time may, where nobody waits for that. */
static void
on_slow_greeting(struct dial *dial)
{
	if (places_wanted(dial->dials->places))
		customer_lost(dial->customer, "greeting-timeout");
	else
		timer_set(dial->timer, GREETING_MS);
}

static void
on_timer(void *arg)
{
	struct dial *dial = arg;

	if (dial->state == DIAL_IN_SESSION)
		on_slow_greeting(dial);
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
	strlcpy(dial->domain, domain, DOMAIN_SIZE);
	dial->lookup = lookup_new(dials->lookups, domain, on_lookup, dial);
	dial->timer = timer_new(dials->server->loop, on_timer, dial);
	dial->reach.connected = on_connected;
	dial->reach.failed = unreachable;
	if (reach_init(&dial->reach, dials->server->loop, dial) &&
	    dial->lookup != NULL && dial->timer != NULL)
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
	else if (dial->state > DIAL_WAITING)
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
	dials->places = places_new(start);
	if (dials->places != NULL)
		dials->lookups = lookups_new(server->loop, server->conf);
	if (dials->lookups == NULL) {
		places_free(&dials->places);
		free(dials);
		return NULL;
	}
	return dials;
}

/* The others have a customer, which is stopped like all, or are forgotten when
 * the database has told what they ask. */
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
	lookups_free(&(*dials)->lookups);
	while ((dial = TAILQ_FIRST(&(*dials)->all)) != NULL) {
		/* The thread has it. */
		if (dial->state == DIAL_LOOKING)
			dial->lookup = NULL;
		forget(dial);
	}
	places_free(&(*dials)->places);
	free(*dials);
	*dials = NULL;
}
