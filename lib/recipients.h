/* SPDX-License-Identifier: ISC */
/*
 * The recipients of one message that are in some domain: from its envelope, or
 * as Postfix lists them. One without a domain that could be a relay domain is
 * of no concern and left out.
 *
 * A control character is written as "?", as Postfix lists it (and it would
 * forge a line in a tag's list), and no quotes stand where none are needed: one
 * with such a character Postfix lists twice when it was deferred, with quotes
 * and without.
 */
#ifndef RECIPIENTS_H
#define RECIPIENTS_H

#include <stdbool.h>
#include <stddef.h>

struct recipient {
	char *address;      /* local part, '@', canonical domain */
	const char *domain; /* within address */
	const char *reason; /* why it is deferred, borrowed; NULL: not known */
};

/* All zero is an empty list. */
struct recipients {
	struct recipient *all;
	size_t count;
	size_t room;
};

void recipients_clear(struct recipients *);

/* `address` is `len` bytes without angle brackets. False: out of memory. */
bool recipients_add(
    struct recipients *, const char *address, size_t len, const char *reason);

/* Sorts by domain and address, and drops those named twice; after it, and
 * until the next is added, recipients_share finds the shares. */
void recipients_sort(struct recipients *);

/* All the recipients in one domain. */
struct share {
	const char *domain;
	const struct recipient *recipients;
	size_t count;
};

/* The share that begins at recipient `*next`, which is moved behind it; false
 * at the end. */
bool recipients_share(
    const struct recipients *, size_t *next, struct share *share);

/* The addresses of a share, one a line; NULL when out of memory. */
char *share_addresses(const struct share *share);

#endif
