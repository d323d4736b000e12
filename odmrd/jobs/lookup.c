/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "lib/smtp/mx.h"
#include "lookup.h"

static void
fail(struct lookup *lookup, const char *why)
{
	lookup->result = STORE_FAILED;
	snprintf(lookup->route.why, sizeof(lookup->route.why), "%.400s", why);
}

static void
take_domain(const struct domain *domain, void *arg)
{
	struct lookup *lookup = arg;
	const char *text =
	    domain->nexthop != NULL ? domain->nexthop : domain->name;

	strlcpy(lookup->socket, domain->socket, sizeof(lookup->socket));
	strlcpy(lookup->nexthop, text, sizeof(lookup->nexthop));
	if (domain->mode != MODE_HOLD)
		lookup->result = STORE_NONE;
}

static void
work(struct job *job, struct store *store)
{
	struct lookup *lookup = (struct lookup *)job;
	enum store_result result;

	lookup->result = STORE_OK;
	result = store_domain_get(store, lookup->domain, take_domain, lookup);
	if (result == STORE_FAILED)
		fail(lookup, store_error(store));
	else if (result != STORE_OK)
		lookup->result = result;
	if (lookup->result != STORE_OK)
		return;
	resolver_setup();
	route_find(&lookup->route, lookup->nexthop, lookup->myhostname);
}

void
lookup_begin(
    struct lookup *lookup, struct worker *worker, const char *myhostname)
{
	lookup->job.work = work;
	lookup->myhostname = myhostname;
	lookup->route.count = 0;
	/* Stays, should no worker get to it. */
	fail(lookup, "no database");
	worker_submit(worker, &lookup->job);
}
