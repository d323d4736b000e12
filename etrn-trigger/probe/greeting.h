/* SPDX-License-Identifier: ISC */
/*
 * Whether a mail server answers at an address: 220, and 2xx to EHLO. Any
 * thread may ask.
 */
#ifndef GREETING_H
#define GREETING_H

#include <stdbool.h>

#include "lib/address.h"

enum { GREETING_WHY_SIZE = 160 };

/* False: `why` tells, e.g. "Connection refused", or what the server said. */
bool greeting_get(const struct address *to, const char *myhostname,
    char why[GREETING_WHY_SIZE]);

#endif
