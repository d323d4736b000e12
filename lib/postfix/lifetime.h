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

/* Reads a time as in main.cf, where one without unit is in days: "5d". */
bool lifetime_parse(const char *text, size_t len, int64_t *seconds);

#endif
