/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "odmrd/delivery/registry.h"
#include "session.h"
#include "turn.h"

enum { LOOK_MS = 200 };

struct turn {
	struct later grave;
	struct session *session;
	struct wanted *wanted;
	size_t count;
	struct timer *timer;
	uint64_t pulse;   /* of those that have the domains, when first seen */
	int64_t until_ms; /* then a silent one is dead; 0: not looked yet */
};

static void
bury_turn(void *dead)
{
	struct turn *turn = dead;

	timer_free(&turn->timer);
	free(turn->wanted);
	free(turn);
}

void
turn_cancel(struct turn **turn)
{
	if (*turn == NULL)
		return;
	timer_stop((*turn)->timer);
	loop_bury(
	    (*turn)->session->server->loop, &(*turn)->grave, bury_turn, *turn);
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

static bool
claim_all(struct customer *c, const struct turn *turn)
{
	for (size_t i = 0; i < turn->count; i++)
		if (registry_claim(c->server->registry, c, turn->wanted[i].name,
			turn->wanted[i].socket) != CLAIM_OK)
			return false;
	return true;
}

static struct customer *
new_customer(struct session *s, const struct turn *turn)
{
	char *domains = turn_domains(turn);
	struct identity who;
	struct customer *c = NULL;

	if (domains != NULL && identity_copy(&who, &s->who)) {
		c = customer_new(s->server, &who, domains);
		free(who.login);
	}
	free(domains);
	return c;
}

/* The domains are free: turns the line. */
static void
turn_line(struct turn *turn)
{
	struct session *s = turn->session;
	struct customer *c = new_customer(s, turn);

	if (c == NULL || !claim_all(c, turn)) {
		if (c != NULL)
			customer_lost(c, "no-socket");
		session_reply(s, "451 4.3.0 Cannot process ATRN now");
		turn_cancel(&s->turn);
		session_continue(s, SESSION_KNOWN);
		return;
	}
	/* One line: fetchmail cannot take more. */
	session_reply(s, "250 2.0.0 OK now reversing the connection");
	customer_turn(c, s->link);
	session_turned(s);
}

static void
refuse(struct turn *turn, const char *name)
{
	struct session *s = turn->session;

	log_warning(s->who.id,
	    "refused: ATRN %s client=%s account=%s: another session is "
	    "delivering",
	    name, s->who.client, s->who.login);
	session_reply(s, "450 4.3.2 %s is being collected now", name);
	turn_cancel(&s->turn);
	session_continue(s, SESSION_KNOWN);
}

/* Those that make way at once do so. Returns a domain that is still taken, or
 * NULL, and how lively the customers are that have such ones. */
static const char *
still_taken(const struct turn *turn, uint64_t *pulse)
{
	struct registry *registry = turn->session->server->registry;
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
	struct registry *registry = turn->session->server->registry;
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
	struct session *s = turn->session;
	int64_t now = loop_now_ms();
	uint64_t pulse;
	const char *taken = still_taken(turn, &pulse);

	if (link_has_input(s->link)) {
		/* Whatever it is, it was not said to the server that the
		 * client is to become. */
		session_reply(s, "503 5.5.1 Nothing may follow ATRN");
		session_end(s, "input-behind-atrn");
	} else if (taken == NULL)
		turn_line(turn);
	else if (turn->until_ms == 0) {
		turn->pulse = pulse;
		turn->until_ms = now + s->server->conf->takeover_wait * 1000;
		timer_set(turn->timer, LOOK_MS);
	} else if (pulse != turn->pulse)
		refuse(turn, taken);
	else if (now < turn->until_ms)
		timer_set(turn->timer, LOOK_MS);
	else {
		end_dead_ones(turn);
		turn_line(turn);
	}
}

void
turn_begin(struct session *s, struct wanted *wanted, size_t count)
{
	struct turn *turn = calloc(1, sizeof(*turn));

	if (turn != NULL)
		turn->timer = timer_new(s->server->loop, attempt, turn);
	if (turn == NULL || turn->timer == NULL) {
		free(turn);
		free(wanted);
		session_reply(s, "451 4.3.0 Out of memory");
		session_continue(s, SESSION_KNOWN);
		return;
	}
	turn->session = s;
	turn->wanted = wanted;
	turn->count = count;
	s->turn = turn;
	attempt(turn);
}
