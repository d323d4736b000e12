/* SPDX-License-Identifier: ISC */
/*
 * Whether the host behind a next hop is up: its addresses are tried in turn,
 * and the first server that answers will do. Any thread may ask;
 * resolver_setup() comes first.
 */
#ifndef REACH_H
#define REACH_H

#include <stdbool.h>

#include "lib/smtp/endpoint.h"

struct reach {
	struct endpoints found;
	char host[ENDPOINT_TEXT_SIZE]; /* which answered: [ADDRESS]:PORT */
};

/* False: none did; found.why tells what befell the last one. */
bool reach_hop(
    const struct hop *hop, const char *myhostname, struct reach *reach);

#endif
