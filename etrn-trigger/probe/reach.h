/* SPDX-License-Identifier: ISC */
/*
 * Whether the host behind a next hop is up: its addresses are tried in turn,
 * and the first server that answers will do. Any thread may ask;
 * resolver_setup() comes first.
 */
#ifndef REACH_H
#define REACH_H

#include "lib/smtp/route.h"

/* Which answered: [ADDRESS]:PORT. NULL: none did, route->why tells what befell
 * the last one. */
const char *reach_hop(
    struct route *route, const char *nexthop, const char *myhostname);

#endif
