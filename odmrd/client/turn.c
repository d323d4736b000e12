/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "odmrd/delivery/registry.h"
#include "client.h"
#include "turn.h"

/* CLAIM_MS: of one turn of the loop: a new socket may cost a millisecond. */
enum { LOOK_MS = 200, CLAIM_MS = 10 };

struct turn {
	struct later grave;
	struct client *client;
	struct wanted *wanted;
	size_t count;
	struct timer *timer;
	uint64_t pulse;   /* of those that have the domains, when first seen */
	int64_t until_ms; /* then a silent one is dead; 0: not looked yet */
	struct customer *customer; /* while it takes its domains */
	size_t claimed;            /* of them */
};

static void
bury_turn(void *dead)
{
	struct turn *turn = dead;

	timer_free(&turn->timer);
	free(turn->wanted);
	free(turn);
}

/* Nothing is claimed any more. */
static void
drop_customer(struct turn *turn, const char *why)
{
	struct customer *c = turn->customer;

	turn->customer = NULL;
	if (c == NULL)
		return;
	c->ended = NULL;
	customer_lost(c, why);
}

void
turn_cancel(struct turn **turn)
{
	if (*turn == NULL)
		return;
	timer_stop((*turn)->timer);
	drop_customer(*turn, "client-gone");
	loop_bury(
	    (*turn)->client->server->loop, &(*turn)->grave, bury_turn, *turn);
	*turn = NULL;
}

char *
turn_domains(const struct turn *turn)
{
	char *text = malloc(turn->count * DOMAIN_SIZE + 1), *at = text;

	assert(turn->wanted != NULL);
	if (text == NULL)
		return NULL;
	*at = '\0';
	for (size_t i = 0; i < turn->count; i++) {
		if (i > 0)
			*at++ = '\n';
		at = stpcpy(at, turn->wanted[i].name);
	}
	return text;
}

static void
fail(struct turn *turn)
{
	struct client *cl = turn->client;

	drop_customer(turn, "no-socket");
	client_reply(cl, "451 4.3.0 Cannot process ATRN now");
	turn_cancel(&cl->turn);
	client_continue(cl, CLIENT_KNOWN);
}

/* Somebody else has ended it: an operator, or a database that changed. */
static void
on_customer_ended(struct customer *c)
{
	struct turn *turn = c->keeper;

	turn->customer = NULL;
	fail(turn);
}

static struct customer *
new_customer(struct turn *turn)
{
	struct client *cl = turn->client;
	char *domains = turn_domains(turn);
	struct identity who;
	struct customer *c = NULL;

	if (domains != NULL && identity_copy(&who, &cl->who)) {
		c = customer_new(cl->server, &who, domains, NULL);
		free(who.login);
	}
	free(domains);
	if (c != NULL) {
		c->ourselves = cl->server->conf->myhostname;
		c->ended = on_customer_ended;
		c->keeper = turn;
	}
	return c;
}

static void
turn_line(struct turn *turn)
{
	struct client *cl = turn->client;
	struct customer *c = turn->customer;

	turn->customer = NULL;
	c->ended = NULL;
	/* One line: fetchmail cannot take more. */
	client_reply(cl, "250 2.0.0 OK now reversing the connection");
	customer_turn(c, cl->link);
	client_turned(cl);
}

static void
refuse(struct turn *turn, const char *name)
{
	struct client *cl = turn->client;

	log_warning(cl->who.id,
	    "refused: ATRN %s client=%s account=%s: another session is "
	    "delivering",
	    name, cl->who.client, cl->who.login);
	client_reply(cl, "450 4.3.2 %s is being collected now", name);
	turn_cancel(&cl->turn);
	client_continue(cl, CLIENT_KNOWN);
}

/* Many domains are taken in some turns of the loop, between which others have
 * theirs. */
static void
claim(struct turn *turn)
{
	struct server *server = turn->client->server;
	int64_t began = loop_now_ms(), spent = 0;
	enum claim_result result = CLAIM_OK;

	while (turn->claimed < turn->count && result == CLAIM_OK &&
	    spent < CLAIM_MS && !loop_is_spent(server->loop)) {
		const struct wanted *next = &turn->wanted[turn->claimed++];

		result = registry_claim(
		    server->registry, turn->customer, next->name, next->socket);
		spent = loop_now_ms() - began;
	}
	loop_spend(server->loop, spent);
	if (result != CLAIM_OK)
		fail(turn);
	else if (turn->claimed < turn->count)
		timer_set(turn->timer, 0);
	else
		turn_line(turn);
}

/* The domains are free. */
static void
begin(struct turn *turn)
{
	turn->customer = new_customer(turn);
	if (turn->customer != NULL)
		claim(turn);
	else
		fail(turn);
}

/* Those that make way at once do so. Returns a domain that is still taken, or
 * NULL, and how lively the customers are that have such ones. */
static const char *
still_taken(const struct turn *turn, uint64_t *pulse)
{
	struct registry *registry = turn->client->server->registry;
	const char *taken = NULL;
	struct customer *c;

	*pulse = 0;
	for (size_t i = 0; i < turn->count; i++) {
		c = registry_find(registry, turn->wanted[i].name);
		if (c == NULL)
			continue;
		if (c->state == CUSTOMER_LINGERING) {
			customer_quit(c, "taken-over");
			continue;
		}
		*pulse += customer_pulse(c);
		taken = turn->wanted[i].name;
	}
	return taken;
}

static void
end_dead_ones(const struct turn *turn)
{
	struct registry *registry = turn->client->server->registry;
	struct customer *c;

	for (size_t i = 0; i < turn->count; i++) {
		c = registry_find(registry, turn->wanted[i].name);
		if (c != NULL)
			customer_lost(c, "taken-over");
	}
}

static void
attempt(void *arg)
{
	struct turn *turn = arg;
	struct client *cl = turn->client;
	int64_t now = loop_now_ms();
	uint64_t pulse;
	const char *taken;

	if (link_has_input(cl->link)) {
		/* Whatever it is, it was not said to the server that the
		 * client is to become. */
		client_reply(cl, "503 5.5.1 Nothing may follow ATRN");
		client_end(cl, "input-behind-atrn");
	} else if (turn->customer != NULL)
		claim(turn);
	else if ((taken = still_taken(turn, &pulse)) == NULL)
		begin(turn);
	else if (turn->until_ms == 0) {
		turn->pulse = pulse;
		turn->until_ms = now + cl->server->conf->takeover_wait * 1000;
		timer_set(turn->timer, LOOK_MS);
	} else if (pulse != turn->pulse)
		refuse(turn, taken);
	else if (now < turn->until_ms)
		timer_set(turn->timer, LOOK_MS);
	else {
		end_dead_ones(turn);
		begin(turn);
	}
}

void
turn_begin(struct client *cl, struct wanted *wanted, size_t count)
{
	struct turn *turn = calloc(1, sizeof(*turn));

	if (turn != NULL)
		turn->timer = timer_new(cl->server->loop, attempt, turn);
	if (turn == NULL || turn->timer == NULL) {
		free(turn);
		free(wanted);
		client_reply(cl, "451 4.3.0 Out of memory");
		client_continue(cl, CLIENT_KNOWN);
		return;
	}
	turn->client = cl;
	turn->wanted = wanted;
	turn->count = count;
	cl->turn = turn;
	attempt(turn);
}
