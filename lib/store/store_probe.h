/* SPDX-License-Identifier: ISC */
/* What etrn-trigger --probe knows of next hops. */
#ifndef STORE_PROBE_H
#define STORE_PROBE_H

#include "store_common.h"

/* What is known of a domain's next hop. No row: it counts as down. */
struct probe_state {
	bool up;
	int64_t times; /* in a row that it was found so */
	int64_t next;  /* not to be probed before then */
};

typedef void probe_visit(
    const char *domain, const struct probe_state *state, void *arg);

/* Inserts or replaces. */
enum store_result store_probe_put(
    struct store *, const char *domain, const struct probe_state *);
enum store_result store_probe_drop(struct store *, const char *domain);
enum store_result store_probe_each(
    struct store *, probe_visit *visit, void *arg);

#endif
