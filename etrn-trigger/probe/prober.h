/* SPDX-License-Identifier: ISC */
/*
 * Probes next to one another: each has a thread, which knows its struct errand
 * and nothing else, and comes back through a pipe. All else, the databases
 * above all, is the main thread's.
 */
#ifndef PROBER_H
#define PROBER_H

#include <sys/queue.h>

#include <stdint.h>

#include "lib/domain.h"
#include "reach.h"
#include "lib/store/store.h"

enum { PROBERS_MAX = 256 };

struct errand {
	TAILQ_ENTRY(errand) entry; /* the main thread's */
	char domain[DOMAIN_SIZE];
	int64_t messages; /* that wait */
	int64_t begun;    /* when its round began */
	bool known;       /* `state` comes from an earlier probe */
	struct probe_state state;
	char nexthop[NEXTHOP_TEXT_SIZE];
	const char *myhostname; /* lives as long as the thread may */
	int home;               /* where its address is written to at the end */
	/* what the thread finds out */
	struct route route;
	const char *host; /* that answered, or NULL: route.why */
};

/* Starts the thread. Until the errand's address comes out of `home`, nobody
 * else may touch it. False: there can be no further thread now. */
bool prober_send(struct errand *errand);

#endif
