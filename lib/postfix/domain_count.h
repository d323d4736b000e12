/* SPDX-License-Identifier: ISC */
/*
 * How many messages the queue holds for each of some domains.
 */
#ifndef DOMAIN_COUNT_H
#define DOMAIN_COUNT_H

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
	int64_t last; /* domain_count.c's: the last message that counted */
	bool started; /* the caller's */
};

/*
 * Counts the messages of `count` domains, which it sorts by their names, from
 * one listing of the queue (postqueue -j). False: the queue could not be read
 * to its end, and the numbers are of no use. `why` is one line then, or what
 * postqueue warned of, or empty.
 */
bool domain_count(const struct conf *, struct domain_count *domains,
    size_t count, char *why, size_t size);

/* Of those that it has sorted; NULL: none of them. */
struct domain_count *domain_count_find(
    struct domain_count *domains, size_t count, const char *name);

#endif
