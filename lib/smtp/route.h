/* SPDX-License-Identifier: ISC */
/*
 * The addresses of the servers behind a next hop (RFC 5321 5.1), in the order
 * in which Postfix would try them. MX hosts at or behind the preference of this
 * very host are left out: it is where the mail waits. Any thread may ask;
 * resolver_setup() comes first in it.
 */
#ifndef ROUTE_H
#define ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/address.h"
#include "lib/endpoint.h"

/* Postfix's smtp_mx_address_limit. */
enum { ROUTE_MAX = 5, ROUTE_WHY_SIZE = 512 };
/* Room for more than the longest next hop: what is cut there is none. */
enum { NEXTHOP_TEXT_SIZE = ENDPOINT_TEXT_SIZE };

struct route {
	struct address all[ROUTE_MAX]; /* as "[ADDRESS]:PORT" */
	size_t count;
	char why[ROUTE_WHY_SIZE]; /* there is none */
};

/*
 * `nexthop` is as transport(5) has it: HOST (its MX), [HOST] or [ADDRESS] (no
 * MX), each with :PORT if it is not 25. `ourselves` is self_is_called's. Asks
 * the DNS, for half a minute at most. False: there is no address, `why` tells.
 */
bool route_find(
    struct route *route, const char *nexthop, const char *ourselves);

#endif
