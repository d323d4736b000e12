/* SPDX-License-Identifier: ISC */
/*
 * Whether the host behind a next hop is up: the addresses that Postfix would
 * try are tried in its order, and the first server that answers will do. MX
 * hosts at or behind the preference of this very host are not asked: it is
 * where the mail waits. Any thread may ask; resolver_setup() comes first.
 */
#ifndef REACH_H
#define REACH_H

#include <stdbool.h>

#include "lib/endpoint.h"

enum { REACH_HOST_SIZE = 64, REACH_WHY_SIZE = 512 };

struct reach {
	char host[REACH_HOST_SIZE]; /* which answered: [ADDRESS]:PORT */
	char why[REACH_WHY_SIZE];   /* none did; what befell the last one */
};

bool reach_hop(
    const struct endpoint *hop, const char *myhostname, struct reach *reach);

#endif
