/* SPDX-License-Identifier: ISC */
/*
 * The MX hosts of a domain, from the DNS (RFC 5321 5.1). Any thread may ask;
 * resolver_setup() comes first in each.
 */
#ifndef MX_H
#define MX_H

#include <stddef.h>

#include "lib/domain.h"

enum { MX_HOSTS_MAX = 32 };

struct mx_host {
	unsigned preference;
	char name[DOMAIN_SIZE];
};

struct mx {
	struct mx_host hosts[MX_HOSTS_MAX]; /* the best first */
	size_t count;
};

enum mx_result {
	MX_FOUND,
	MX_NONE,   /* so the domain's own addresses count */
	MX_NULL,   /* takes no mail (RFC 7505) */
	MX_FAILED, /* the DNS did not tell */
};

/* What a resolver of this thread may take: seconds, not minutes. And names are
 * complete: nothing is appended to them. */
void resolver_setup(void);

enum mx_result mx_lookup(const char *domain, struct mx *mx);

#endif
