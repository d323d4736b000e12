/* SPDX-License-Identifier: ISC */
/*
 * The turn: a client that may have its domains becomes a customer with the
 * same link. A domain has one session at a time, so another customer may have
 * to make way first: one that lingers does so at once, one that takes nothing
 * any more within takeover_wait; while one is really delivering, the answer is
 * 450.
 */
#ifndef TURN_H
#define TURN_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/domain.h"

struct client;
struct turn;

struct wanted {
	char name[DOMAIN_SIZE];
	char socket[DOMAIN_SIZE];
};

/* Takes over `wanted`. The client is in CLIENT_ASKING; it turns, or hears
 * why not, now or after a while. */
void turn_begin(struct client *client, struct wanted *wanted, size_t count);
/* The session ends while it waits. */
void turn_cancel(struct turn **turn);
/* The domains that it waits for, one a line; NULL: out of memory. */
char *turn_domains(const struct turn *turn);

#endif
