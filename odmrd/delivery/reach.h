/* SPDX-License-Identifier: ISC */
/*
 * A connection to the first address of a route that accepts one; each is tried
 * for Postfix's smtp_connect_timeout.
 */
#ifndef REACH_H
#define REACH_H

#include <stddef.h>

#include "lib/smtp/route.h"
#include "odmrd/net/link.h"

struct reach {
	struct loop *loop;
	struct timer *timer;
	struct link *link; /* NULL: it does not connect */
	struct route *route;
	size_t next;
	/* `reach->link` is the owner's to take, or it is given up. */
	void (*connected)(void *owner, const struct address *to);
	/* No address accepts; route->why tells. */
	void (*failed)(void *owner);
	void *owner;
};

/* Zeroed but for the callbacks. False: out of memory. */
bool reach_init(struct reach *reach, struct loop *loop, void *owner);
void reach_free(struct reach *reach);
/* May call back within. `route` is borrowed until it does. */
void reach_begin(struct reach *reach, struct route *route);
/* Nothing is called back any more. */
void reach_stop(struct reach *reach);

#endif
