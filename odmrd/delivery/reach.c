/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "reach.h"

enum { CONNECT_MS = 30000 };

static void try_next(struct reach *reach);

static void
explain(struct reach *reach, const char *why)
{
	struct route *route = reach->route;

	snprintf(route->why, sizeof(route->why), "%s: %s",
	    route->all[reach->next - 1].text, why);
}

static void
on_ended(void *owner, const char *why)
{
	struct reach *reach = owner;

	link_abort(&reach->link);
	explain(reach, why);
	try_next(reach);
}

static void
on_timer(void *arg)
{
	on_ended(arg, "no connection in time");
}

static void
on_connected(void *owner)
{
	struct reach *reach = owner;

	timer_stop(reach->timer);
	reach->connected(reach->owner, &reach->route->all[reach->next - 1]);
}

/* Nothing is read before it is another's: what is sent, which is nothing, has
 * drained as soon as the line is there. */
static const struct link_role reach_role = {
	.drained = on_connected,
	.ended = on_ended,
};

static void
try_next(struct reach *reach)
{
	const struct address *to;

	while (reach->next < reach->route->count) {
		to = &reach->route->all[reach->next++];
		reach->link = link_connect(reach->loop, (const void *)&to->addr,
		    to->len, &reach_role, reach);
		if (reach->link != NULL) {
			timer_set(reach->timer, CONNECT_MS);
			return;
		}
		explain(reach, strerror(errno));
	}
	timer_stop(reach->timer);
	reach->failed(reach->owner);
}

bool
reach_init(struct reach *reach, struct loop *loop, void *owner)
{
	reach->loop = loop;
	reach->owner = owner;
	reach->timer = timer_new(loop, on_timer, reach);
	return reach->timer != NULL;
}

void
reach_free(struct reach *reach)
{
	timer_free(&reach->timer);
}

void
reach_begin(struct reach *reach, struct route *route)
{
	reach->route = route;
	reach->next = 0;
	try_next(reach);
}

void
reach_stop(struct reach *reach)
{
	timer_stop(reach->timer);
	link_abort(&reach->link);
}
