/* SPDX-License-Identifier: ISC */
/*
 * A next hop as transport(5) has it: HOST (its MX), [HOST] or [ADDRESS] (no
 * MX), each with :PORT if it is not 25.
 */
#ifndef HOP_H
#define HOP_H

#include <stdbool.h>

#include "lib/domain.h"

enum { HOP_PORT_SIZE = sizeof("65535") };

struct hop {
	char host[DOMAIN_SIZE];
	char port[HOP_PORT_SIZE];
	bool by_mx;
};

/* False: the text is no such thing. */
bool hop_parse(struct hop *hop, const char *text);

/* As Postfix does, we look out for ourselves on the port of MX hosts only:
 * elsewhere another server may listen on this host's addresses. */
bool hop_may_loop(const struct hop *hop);

#endif
