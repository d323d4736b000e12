/* SPDX-License-Identifier: ISC */
/*
 * Where the mail of a domain in mode hold goes to. The database tells its
 * owner, its socket and its next hop, Postfix which hosts are no other than its
 * own, and the DNS the addresses behind that: for
 * which each look-up has a thread of its own, as a DNS that is silent takes
 * seconds, and nobody else's are to wait for that.
 */
#ifndef LOOKUP_H
#define LOOKUP_H

#include <stdint.h>

#include "lib/domain.h"
#include "lib/smtp/route.h"
#include "worker.h"

enum { OWNER_SIZE = NEXTHOP_TEXT_SIZE };

struct lookups;

struct lookup {
	struct job job; /* lookup.c's, as the next two */
	struct lookups *all;
	struct lookup *next;
	void (*done)(void *asker);
	void *asker;
	char domain[DOMAIN_SIZE];
	const struct conf *conf; /* of lookup_read */
	/* The names and addresses of our own Postfix (self.h); NULL: out of
	 * memory, or not asked for. */
	char *ourselves;
	/* STORE_NONE: it is not on hold, or there is none. STORE_FAILED:
	 * route.why tells. */
	enum store_result result;
	/* The account that has the domain, of several the oldest. Where it is
	 * nobody's, its next hop; without one, or where the database is not to
	 * be had, itself, which means nothing: not `has_owner`. */
	char owner[OWNER_SIZE];
	bool has_owner;
	char socket[DOMAIN_SIZE];
	char nexthop[NEXTHOP_TEXT_SIZE];
	struct route route;
};

/* NULL: out of memory, or the threads could not be started. `conf` is borrowed.
 */
struct lookups *lookups_new(struct loop *loop, const struct conf *conf);
/* What is read comes back, by done(). But who asks the DNS is not waited for:
 * its lookup never comes back, and goes by itself. */
void lookups_free(struct lookups **lookups);

/* `done` is called in the loop when what was begun is through. NULL: out of
 * memory. */
struct lookup *lookup_new(struct lookups *lookups, const char *domain,
    void (*done)(void *asker), void *asker);
/* Nothing is under way. */
void lookup_free(struct lookup **lookup);

/* The database is asked. With a `conf`, which is borrowed, Postfix is, too: who
 * we are. */
void lookup_read(struct lookup *lookup, const struct conf *conf);
/* After that the DNS is, for `nexthop`. */
void lookup_resolve(struct lookup *lookup);

/* As whom `owner` above has an account. Returns `out`. */
const char *lookup_owner(int64_t account, char out[OWNER_SIZE]);

#endif
