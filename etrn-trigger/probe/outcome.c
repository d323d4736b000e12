/* SPDX-License-Identifier: ISC */
/*
 * What comes of a probe. A domain is released once, at the change from down to
 * up: a host that is up and refuses the mail is left to Postfix's own retries.
 * Only what was released counts as up, so that what failed is tried again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "lib/log.h"
#include "probing.h"
#include "etrn-trigger/release.h"

enum { WAIT_MAX = 60 };

/* Twice as long after each probe that found nothing new. From cron there is no
 * other wait than cron's. */
static long
wait_after(long watch, int64_t times)
{
	long wait = watch;

	while (--times > 0 && wait < WAIT_MAX)
		wait *= 2;
	return wait < WAIT_MAX ? wait : WAIT_MAX;
}

static void
keep(struct probing *probing, const struct errand *errand, bool up)
{
	struct store *store = probing->trigger->store;
	struct probe_state state = { .up = up, .times = 1 };

	if (errand->known && errand->state.up == up)
		state.times = errand->state.times + 1;
	state.next = errand->begun + wait_after(probing->watch, state.times);
	if (store_probe_put(store, errand->domain, &state) == STORE_FAILED)
		probing_fault(probing, EX_TEMPFAIL, store_error(store));
}

static void
came_up(struct probing *probing, const struct errand *errand)
{
	bool released = release_domain(&probing->trigger->conf, errand->domain);

	keep(probing, errand, released);
	if (released)
		log_info(NULL,
		    "probe: domain=%s up, released: host=%s "
		    "messages=%" PRId64,
		    errand->domain, errand->host, errand->messages);
	else
		probing->code = EX_TEMPFAIL; /* it has said why */
}

static void
is_down(struct probing *probing, const struct errand *errand)
{
	keep(probing, errand, false);
	if (!errand->known || errand->state.up)
		log_info(NULL,
		    "probe: domain=%s down: messages=%" PRId64 " reason=\"%s\"",
		    errand->domain, errand->messages, errand->route.why);
}

static void
tell(const struct errand *errand)
{
	if (errand->host == NULL)
		printf("%s: down: %s\n", errand->domain, errand->route.why);
	else if (errand->known && errand->state.up)
		printf("%s: still up: %s\n", errand->domain, errand->host);
	else
		printf("%s: up: %s; %" PRId64 " messages would be released\n",
		    errand->domain, errand->host, errand->messages);
}

void
outcome_take(struct probing *probing, struct errand *errand)
{
	if (probing->trigger->dry_run)
		tell(errand);
	else if (errand->host == NULL)
		is_down(probing, errand);
	else if (errand->known && errand->state.up)
		keep(probing, errand, true);
	else
		came_up(probing, errand);
	free(errand);
}
