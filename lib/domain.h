/* SPDX-License-Identifier: ISC */
/*
 * Domain names as RFC 2645 5.2.1 has them in ATRN: letters, digits, hyphens,
 * two labels at least. One canonical form everywhere: lower case, A-labels, no
 * trailing dot. What cannot be brought into that form is no domain.
 *
 * An internationalised name may come as UTF-8 wherever a name comes from
 * outside; it is the same domain (IDNA 2008 with the mappings of UTS 46, by
 * libidn2), whatever its case, composed or not.
 */
#ifndef DOMAIN_H
#define DOMAIN_H

#include <stdbool.h>
#include <stddef.h>

/* Room for the longest canonical name and its NUL. */
enum { DOMAIN_SIZE = 254 };

/* A reason that is none of the name's. */
extern const char domain_no_memory[];

/*
 * Writes the canonical form of the `len` bytes at `name` into `out`. On failure
 * returns false and `*why` (may be NULL) tells, e.g. "has only one label", or
 * is domain_no_memory.
 */
bool domain_canonical(
    const char *name, size_t len, char out[DOMAIN_SIZE], const char **why);

/* The same for all that Postfix takes as the name of a host, which has
 * underscores and single labels too. */
bool hostname_canonical(
    const char *name, size_t len, char out[DOMAIN_SIZE], const char **why);

/* domain_canonical for what an operator types: what only looks like an A-label
 * is refused as well. */
bool domain_from_operator(
    const char *name, char out[DOMAIN_SIZE], const char **why);

#endif
