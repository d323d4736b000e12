/* SPDX-License-Identifier: ISC */
/*
 * How long Postfix keeps a message that it cannot deliver.
 */
#ifndef LIFETIME_H
#define LIFETIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/conf.h"

/* In seconds. */
struct lifetime {
	int64_t maximal; /* maximal_queue_lifetime */
	int64_t bounce;  /* bounce_queue_lifetime: of the null sender's */
};

/* Asks postconf(1), and blocks meanwhile. On failure one line is in `error`. */
bool lifetime_ask(const struct conf *conf, struct lifetime *lifetime,
    char *error, size_t size);

/* Times of main.cf such as "7d" in seconds; `unit` counts where there is none.
 * -1: it is no time. */
int64_t postfix_seconds(const char *value, char unit);

#endif
