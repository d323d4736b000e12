/* SPDX-License-Identifier: ISC */
/*
 * The SASL mechanisms and when each is offered. The table in mechanism.c is
 * all that EHLO shows and all that AUTH takes, so the two agree.
 */
#ifndef MECHANISM_H
#define MECHANISM_H

#include <stdbool.h>

struct client;

struct mechanism {
	const char *name;
	unsigned needs;
	unsigned responses; /* of the client; the last one is judged */
	bool server_first;  /* the exchange begins with a challenge */
	bool takes_initial; /* a response may come with the command */
	bool hashes;        /* checks a password: takes a while */
};

enum { MECHANISM_LIST_SIZE = 128 };

/* The one called `name`, in any case, if this client may use it now. */
const struct mechanism *mechanism_find(
    const struct client *client, const char *name);

/* The names of all that this client may use now. Returns `out`. */
const char *mechanism_list(
    const struct client *client, char out[MECHANISM_LIST_SIZE]);

#endif
