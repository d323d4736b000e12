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
#include "probe.h"
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
keep(struct probe *probe, const struct probe_job *job, bool up)
{
	struct store *store = probe->trigger->store;
	struct probe_state state = { .up = up, .times = 1 };

	if (job->known && job->state.up == up)
		state.times = job->state.times + 1;
	state.next = job->begun + wait_after(probe->watch, state.times);
	if (store_probe_put(store, job->domain, &state) == STORE_FAILED)
		probe_fault(probe, EX_TEMPFAIL, store_error(store));
}

static void
came_up(struct probe *probe, const struct probe_job *job)
{
	bool released = release_domain(&probe->trigger->conf, job->domain);

	keep(probe, job, released);
	if (released)
		log_info(NULL,
		    "probe: domain=%s up, released: host=%s "
		    "messages=%" PRId64,
		    job->domain, job->host, job->messages);
	else
		probe->code = EX_TEMPFAIL; /* it has said why */
}

static void
is_down(struct probe *probe, const struct probe_job *job)
{
	keep(probe, job, false);
	if (!job->known || job->state.up)
		log_info(NULL,
		    "probe: domain=%s down: messages=%" PRId64 " reason=\"%s\"",
		    job->domain, job->messages, job->route.why);
}

static void
tell(const struct probe_job *job)
{
	if (job->host == NULL)
		printf("%s: down: %s\n", job->domain, job->route.why);
	else if (job->known && job->state.up)
		printf("%s: still up: %s\n", job->domain, job->host);
	else
		printf("%s: up: %s; %" PRId64 " messages would be released\n",
		    job->domain, job->host, job->messages);
}

void
probe_result(struct probe *probe, struct probe_job *job)
{
	if (probe->trigger->dry_run)
		tell(job);
	else if (job->host == NULL)
		is_down(probe, job);
	else if (job->known && job->state.up)
		keep(probe, job, true);
	else
		came_up(probe, job);
	free(job);
}
