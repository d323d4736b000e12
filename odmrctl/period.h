/* SPDX-License-Identifier: ISC */
/*
 * The days that a report covers, first and last included, in UTC.
 */
#ifndef PERIOD_H
#define PERIOD_H

#include "odmrctl.h"

enum { DAY_SIZE = 16 };

struct period {
	char from[DAY_SIZE]; /* YYYY-MM-DD */
	char to[DAY_SIZE];
};

/* Of --from and --to: YYYY-MM-DD, "today" or "yesterday". Without --to it ends
 * today, without --from it begins with the month in which it ends. EX_OK, or
 * complains. */
int period_take(const struct arguments *, struct period *);

#endif
