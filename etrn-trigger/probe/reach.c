/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "greeting.h"
#include "reach.h"

const char *
reach_hop(struct route *route, const char *nexthop, const char *myhostname)
{
	char why[GREETING_WHY_SIZE];

	route_find(route, nexthop, myhostname);
	for (size_t i = 0; i < route->count; i++) {
		if (greeting_get(&route->all[i], myhostname, why))
			return route->all[i].text;
		snprintf(route->why, sizeof(route->why), "%s: %s",
		    route->all[i].text, why);
	}
	return NULL;
}
