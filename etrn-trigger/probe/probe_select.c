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

#include "probe.h"
#include "etrn-trigger/release.h"

/* What was not looked at for an hour is not known any more. */
enum { NEXT_MAX = 60, STALE = 3600 };

/* What was known of a domain, at the same place as its struct domain_count. */
struct known {
	bool known;
	struct probe_state state;
};

struct candidates {
	struct probe *probe;
	struct domain_count *domains;
	struct known *known;
	size_t count, room;
	bool out_of_memory;
	int64_t now;
};

static void
add_domain(const struct domain *domain, void *arg)
{
	struct candidates *candidates = arg;
	struct domain_count *grown;
	size_t room;

	if (domain->mode != MODE_BACKUP || candidates->out_of_memory)
		return;
	if (candidates->count == candidates->room) {
		room = candidates->room == 0 ? 64 : candidates->room * 2;
		grown = reallocarray(
		    candidates->domains, room, sizeof(candidates->domains[0]));
		if (grown == NULL) {
			candidates->out_of_memory = true;
			return;
		}
		candidates->domains = grown;
		candidates->room = room;
	}
	candidates->domains[candidates->count].messages = 0;
	snprintf(candidates->domains[candidates->count++].name, DOMAIN_SIZE,
	    "%s", domain->name);
}

/* Takes over what is known. A host for which nothing waits is forgotten, so
 * that the next mail that cannot be delivered finds it "down". */
static void
take_known(const char *domain, const struct probe_state *state, void *arg)
{
	struct candidates *candidates = arg;
	const struct trigger *trigger = candidates->probe->trigger;
	const struct domain_count *found =
	    domain_count_find(candidates->domains, candidates->count, domain);

	if (found != NULL && found->messages > 0 &&
	    state->next + STALE > candidates->now)
		candidates->known[found - candidates->domains] =
		    (struct known) { true, *state };
	else if (!trigger->dry_run &&
	    store_probe_drop(trigger->store, domain) == STORE_FAILED)
		probe_fault(candidates->probe, EX_TEMPFAIL,
		    store_error(trigger->store));
}

static bool
is_out(const struct probe *probe, const char *domain)
{
	const struct probe_job *job;

	TAILQ_FOREACH(job, &probe->out, entry)
		if (strcmp(job->domain, domain) == 0)
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
	struct probe_job *job = arg;
	const char *text =
	    domain->nexthop != NULL ? domain->nexthop : domain->name;

	strlcpy(job->nexthop, text, sizeof(job->nexthop));
}

static void
add_job(struct candidates *candidates, size_t i)
{
	struct probe *probe = candidates->probe;
	struct store *store = probe->trigger->store;
	struct probe_job *job = calloc(1, sizeof(*job));
	enum store_result result;

	if (job == NULL) {
		probe_fault(probe, EX_TEMPFAIL, "out of memory");
		return;
	}
	strcpy(job->domain, candidates->domains[i].name);
	job->messages = candidates->domains[i].messages;
	job->begun = candidates->now;
	job->known = candidates->known[i].known;
	job->state = candidates->known[i].state;
	job->myhostname = probe->myhostname;
	result = store_domain_get(store, job->domain, take_hop, job);
	if (result == STORE_OK) {
		TAILQ_INSERT_TAIL(&probe->waiting, job, entry);
		return;
	}
	if (result == STORE_FAILED)
		probe_fault(probe, EX_TEMPFAIL, store_error(store));
	free(job);
}

static void
add_jobs(struct candidates *candidates)
{
	for (size_t i = 0; i < candidates->count; i++)
		if (candidates->domains[i].messages > 0 &&
		    is_due(&candidates->known[i], candidates->now) &&
		    !is_out(candidates->probe, candidates->domains[i].name))
			add_job(candidates, i);
}

/* The domains, and what waits for them. Without one, nobody asks Postfix. */
static bool
fill(struct candidates *candidates)
{
	const struct trigger *trigger = candidates->probe->trigger;
	enum store_result result =
	    store_domain_each(trigger->store, add_domain, candidates);

	if (result == STORE_FAILED) {
		probe_fault(candidates->probe, EX_TEMPFAIL,
		    store_error(trigger->store));
		return false;
	}
	candidates->known =
	    calloc(candidates->count + 1, sizeof(candidates->known[0]));
	if (candidates->out_of_memory || candidates->known == NULL) {
		probe_fault(candidates->probe, EX_TEMPFAIL, "out of memory");
		return false;
	}
	if (candidates->count == 0 ||
	    release_count(
		&trigger->conf, candidates->domains, candidates->count))
		return true;
	candidates->probe->code = EX_TEMPFAIL; /* it has said why */
	return false;
}

void
probe_select(struct probe *probe)
{
	struct candidates candidates = { .probe = probe, .now = time(NULL) };
	struct store *store = probe->trigger->store;

	if (fill(&candidates)) {
		if (store_probe_each(store, take_known, &candidates) ==
		    STORE_FAILED)
			probe_fault(probe, EX_TEMPFAIL, store_error(store));
		else
			add_jobs(&candidates);
	}
	free(candidates.domains);
	free(candidates.known);
}
