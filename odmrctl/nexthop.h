/* SPDX-License-Identifier: ISC */
/*
 * The next hop of a backup or hold domain, as transport(5) has it: HOST (its
 * MX), [HOST] or [ADDRESS] (no MX), each with :PORT if it is not 25. It ends
 * up in the answer of a Postfix transport map, so nothing else may pass.
 */
#ifndef NEXTHOP_H
#define NEXTHOP_H

#include <stddef.h>

/* Writes `text` in the form that Postfix wants, with the brackets that a bare
 * IPv4 address lacks. NULL, or what is wrong with it. */
const char *nexthop_parse(const char *text, char *out, size_t size);

#endif
