/* SPDX-License-Identifier: ISC */
/*
 * What Postfix does for a domain: how many of its messages the queue holds, and
 * the attempt to deliver them now.
 */
#ifndef RELEASE_H
#define RELEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/conf.h"
#include "lib/domain.h"
#include "trigger.h"

struct waiting {
	char name[DOMAIN_SIZE];
	int64_t messages; /* in the queue, with a recipient in the domain */
	/* Of these, the messages that no other of the domains has counted
	 * already: the sum of this is the number of messages. */
	int64_t only;
	int64_t last; /* release.c's: the last message that counted */
	bool may_go;  /* release_all's: it waits, and has its leave */
	bool started; /* release_all's */
};

/*
 * Counts the messages of `count` domains, which it sorts by their names, from
 * one listing of the queue (postqueue -j). False: the queue could not be read
 * to its end, which is logged; the numbers are then of no use.
 */
bool release_count(
    const struct conf *conf, struct waiting *domains, size_t count);

/*
 * Has Postfix try the domain's messages now (postqueue -s), with leave to go if
 * it is on hold, and waits until it has taken the order. False: it did not,
 * which is logged.
 *
 * Not for domains of which nothing waits: Postfix keeps such an order in mind,
 * and tries the next mail that comes, though it may be for a domain on hold.
 */
bool release_domain(const struct trigger *trigger, const char *domain);
/*
 * The same for each domain of which some messages wait; sets `started`. All get
 * their leave first: what the first flush starts is looked up in relay.db,
 * which should not be written then. Where it fails, it is tried once more after
 * a second.
 */
void release_all(
    const struct trigger *trigger, struct waiting *domains, size_t count);
/* Without giving leave. */
bool release_flush(const struct conf *conf, const char *domain);

#endif
