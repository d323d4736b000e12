/* SPDX-License-Identifier: ISC */
/*
 * Which next hops are to be probed now: those of backup domains of which mail
 * waits in the queue (the tags do not tell, Postfix delivers this mail by
 * itself), unless they were probed just now.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "probing.h"
#include "etrn-trigger/release.h"

/* What was not looked at for an hour is not known any more. */
enum { NEXT_MAX = 60, STALE = 3600 };

/* What was known of a domain, at the same place as its struct waiting. */
struct known {
	bool known;
	struct probe_state state;
};

struct roster {
	struct probing *probing;
	struct waiting *domains;
	struct known *known;
	size_t count, room;
	bool out_of_memory;
	int64_t now;
};

static void
add_domain(const struct domain *domain, void *arg)
{
	struct roster *roster = arg;
	struct waiting *grown;
	size_t room;

	if (domain->mode != MODE_BACKUP || roster->out_of_memory)
		return;
	if (roster->count == roster->room) {
		room = roster->room == 0 ? 64 : roster->room * 2;
		grown = reallocarray(
		    roster->domains, room, sizeof(roster->domains[0]));
		if (grown == NULL) {
			roster->out_of_memory = true;
			return;
		}
		roster->domains = grown;
		roster->room = room;
	}
	roster->domains[roster->count].messages = 0;
	snprintf(roster->domains[roster->count++].name, DOMAIN_SIZE, "%s",
	    domain->name);
}

static int
compare_name(const void *name, const void *element)
{
	return strcmp(name, ((const struct waiting *)element)->name);
}

/* Takes over what is known. A host for which nothing waits is forgotten, so
 * that the next mail that cannot be delivered finds it "down". */
static void
take_known(const char *domain, const struct probe_state *state, void *arg)
{
	struct roster *roster = arg;
	const struct trigger *trigger = roster->probing->trigger;
	const struct waiting *found = NULL;

	if (roster->count > 0)
		found = bsearch(domain, roster->domains, roster->count,
		    sizeof(roster->domains[0]), compare_name);
	if (found != NULL && found->messages > 0 &&
	    state->next + STALE > roster->now)
		roster->known[found - roster->domains] =
		    (struct known) { true, *state };
	else if (!trigger->dry_run &&
	    store_probe_drop(trigger->store, domain) == STORE_FAILED)
		probing_fault(
		    roster->probing, EX_TEMPFAIL, store_error(trigger->store));
}

static bool
is_out(const struct probing *probing, const char *domain)
{
	const struct errand *errand;

	TAILQ_FOREACH(errand, &probing->out, entry)
		if (strcmp(errand->domain, domain) == 0)
			return true;
	return false;
}

/* A time far ahead is one of a clock that was wrong. */
static bool
is_due(const struct known *known, int64_t now)
{
	return !known->known || known->state.next <= now ||
	    known->state.next > now + NEXT_MAX;
}

static void
take_hop(const struct domain *domain, void *arg)
{
	struct errand *errand = arg;
	const char *text =
	    domain->nexthop != NULL ? domain->nexthop : domain->name;

	strlcpy(errand->nexthop, text, sizeof(errand->nexthop));
}

static void
add_errand(struct roster *roster, size_t i)
{
	struct probing *probing = roster->probing;
	struct store *store = probing->trigger->store;
	struct errand *errand = calloc(1, sizeof(*errand));
	enum store_result result;

	if (errand == NULL) {
		probing_fault(probing, EX_TEMPFAIL, "out of memory");
		return;
	}
	strcpy(errand->domain, roster->domains[i].name);
	errand->messages = roster->domains[i].messages;
	errand->begun = roster->now;
	errand->known = roster->known[i].known;
	errand->state = roster->known[i].state;
	errand->myhostname = probing->myhostname;
	result = store_domain_get(store, errand->domain, take_hop, errand);
	if (result == STORE_OK) {
		TAILQ_INSERT_TAIL(&probing->waiting, errand, entry);
		return;
	}
	if (result == STORE_FAILED)
		probing_fault(probing, EX_TEMPFAIL, store_error(store));
	free(errand);
}

static void
add_errands(struct roster *roster)
{
	for (size_t i = 0; i < roster->count; i++)
		if (roster->domains[i].messages > 0 &&
		    is_due(&roster->known[i], roster->now) &&
		    !is_out(roster->probing, roster->domains[i].name))
			add_errand(roster, i);
}

/* The domains, and what waits for them. Without one, nobody asks Postfix. */
static bool
fill(struct roster *roster)
{
	const struct trigger *trigger = roster->probing->trigger;
	enum store_result result =
	    store_domain_each(trigger->store, add_domain, roster);

	if (result == STORE_FAILED) {
		probing_fault(
		    roster->probing, EX_TEMPFAIL, store_error(trigger->store));
		return false;
	}
	roster->known = calloc(roster->count + 1, sizeof(roster->known[0]));
	if (roster->out_of_memory || roster->known == NULL) {
		probing_fault(roster->probing, EX_TEMPFAIL, "out of memory");
		return false;
	}
	if (roster->count == 0 ||
	    release_count(&trigger->conf, roster->domains, roster->count))
		return true;
	roster->probing->code = EX_TEMPFAIL; /* it has said why */
	return false;
}

void
round_begin(struct probing *probing)
{
	struct roster roster = { .probing = probing, .now = time(NULL) };
	struct store *store = probing->trigger->store;

	if (fill(&roster)) {
		if (store_probe_each(store, take_known, &roster) ==
		    STORE_FAILED)
			probing_fault(probing, EX_TEMPFAIL, store_error(store));
		else
			add_errands(&roster);
	}
	free(roster.domains);
	free(roster.known);
}
