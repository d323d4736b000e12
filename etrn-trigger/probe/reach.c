/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "greeting.h"
#include "reach.h"

bool
reach_hop(const struct hop *hop, const char *myhostname, struct reach *reach)
{
	char why[GREETING_WHY_SIZE];

	endpoints_find(&reach->found, hop, myhostname);
	for (size_t i = 0; i < reach->found.count; i++) {
		endpoint_text(&reach->found.all[i], hop, reach->host);
		if (greeting_get(&reach->found.all[i], myhostname, why))
			return true;
		snprintf(reach->found.why, sizeof(reach->found.why), "%s: %s",
		    reach->host, why);
	}
	return false;
}
