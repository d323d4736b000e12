/* SPDX-License-Identifier: ISC */
/*
 * Where the mail of a domain in mode hold goes to: its socket, and the
 * addresses behind its next hop, which the DNS may take seconds to tell. A job
 * for a worker of its own, that nobody waits for but who dials.
 */
#ifndef LOOKUP_H
#define LOOKUP_H

#include "lib/domain.h"
#include "lib/smtp/route.h"
#include "worker.h"

struct lookup {
	struct job job; /* its done() is the asker's */
	char domain[DOMAIN_SIZE];
	const char *myhostname; /* borrowed for the job */
	/* STORE_NONE: it is not on hold, or there is none. STORE_FAILED:
	 * route.why tells. */
	enum store_result result;
	char socket[DOMAIN_SIZE];
	char nexthop[NEXTHOP_TEXT_SIZE];
	struct route route;
};

void lookup_begin(
    struct lookup *lookup, struct worker *worker, const char *myhostname);

#endif
