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

#include "lib/conf.h"
#include "lib/postfix/domain_count.h"
#include "lib/tags/node.h"

/* domain_count(), which logs what goes wrong. */
bool release_count(
    const struct conf *conf, struct domain_count *domains, size_t count);

/* Has Postfix try the domain's messages now (postqueue -s), and waits until it
 * has taken the order. False: it did not, which is logged. */
bool release_domain(const struct conf *conf, const char *domain);
/* The same for each domain of which some messages wait; sets `started`. */
void release_all(
    const struct conf *conf, struct domain_count *domains, size_t count);

/* Has odmrd dial the servers of those of the node's domains that are on hold
 * and have mail, and does not wait for that. How many; -1: odmrd is away, or
 * cannot, which is logged. */
int release_dial(const struct conf *conf, const struct node *node);

#endif
