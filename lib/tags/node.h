/* SPDX-License-Identifier: ISC */
/*
 * The node that an ETRN names (RFC 1985 5, 5.3), and the domains that it means
 * for a certain client:
 *
 *	example.org	that domain, or else the queue of that name
 *	@example.org	it and the domains below it, of those that the client
 *			may have started
 *	_at.example.org	the same: how it comes through Postfix, which drops the
 *			'@' and takes this for a host's name
 *	#name		a queue: the domains that odmrctl queue-name gave the
 *			name, of those that the client may have started
 *	name		the same: Postfix drops the '#', too
 *	[192.0.2.1]	a queue as well, by the address of who asks for it; also
 *			192.0.2.1 and [IPv6:2001:db8::1]
 *	_ip.192.0.2.1	the same: how these come through Postfix, and
 *			_ip.2001_db8__1
 *
 * A domain that has the name of a queue hides it, but for "#name".
 */
#ifndef NODE_H
#define NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/domain.h"
#include "lib/store/store.h"

struct node_domain {
	char name[DOMAIN_SIZE];
	enum domain_mode mode;
	int64_t held; /* tags */
};

struct node {
	char text[1 + DOMAIN_SIZE]; /* canonical, with its option character */
	struct node_domain *domains;
	size_t count;
	bool out_of_memory; /* why node_find failed, else store_error() tells */
};

/* On failure returns false and `*why` tells, e.g. "has only one label". */
bool node_parse(struct node *node, const char *text, const char **why);
void node_free(struct node *node);

/* Fills in the domains. STORE_NONE: there is none that the client may have
 * started, whether or not there is one at all. `client` NULL is the operator,
 * who may start all. */
enum store_result node_find(
    struct node *node, struct store *store, const struct etrn_client *client);

#endif
