/* SPDX-License-Identifier: ISC */
/*
 * What is done for a domain: in mode backup Postfix tells how many of its
 * messages the queue holds, and tries to deliver them now; in mode hold odmrd
 * dials.
 */
#ifndef RELEASE_H
#define RELEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/conf.h"
#include "lib/domain.h"

struct domain_count {
	char name[DOMAIN_SIZE];
	int64_t messages; /* in the queue, with a recipient in the domain */
	/* Of these, the messages that no other of the domains has counted
	 * already: the sum of this is the number of messages. */
	int64_t only;
	int64_t last; /* release.c's: the last message that counted */
	bool started; /* release_all's */
};

/*
 * Counts the messages of `count` domains, which it sorts by their names, from
 * one listing of the queue (postqueue -j). False: the queue could not be read
 * to its end, which is logged; the numbers are then of no use.
 */
bool release_count(
    const struct conf *conf, struct domain_count *domains, size_t count);

/* Has Postfix try the domain's messages now (postqueue -s), and waits until it
 * has taken the order. False: it did not, which is logged. */
bool release_domain(const struct conf *conf, const char *domain);
/* The same for each domain of which some messages wait; sets `started`. Where
 * it fails, it is tried once more after a second. */
void release_all(
    const struct conf *conf, struct domain_count *domains, size_t count);

/* Has odmrd dial the server of a domain on hold, and does not wait for that.
 * False: odmrd is away, or cannot, which is logged. */
bool release_dial(const struct conf *conf, const char *domain);

#endif
