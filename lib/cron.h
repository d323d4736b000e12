/* SPDX-License-Identifier: ISC */
/*
 * The time of day in the five fields of crontab(5): minute, hour, day of month,
 * month, day of week. A field is a list of numbers, names (of months and days,
 * three letters), ranges and "*"; the last two may have a step, as in "8-18/2".
 * Sunday is 0 and 7. A day must be in both of its fields where one of them
 * begins with "*", and else in either.
 *
 * Times are local (TZ). Where the clock jumps:
 * - A schedule whose hours begin with "*" is due when the clock shows it.
 * - Any other is due once for each time that it names: at the first minute
 *   after a jump forward for those that were skipped, and only at the first of
 *   two equal times after a jump back.
 */
#ifndef CRON_H
#define CRON_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum { CRON_FIELDS = 5, CRON_TEXT_SIZE = 256, CRON_ERROR_SIZE = 384 };

struct cron {
	char text[CRON_TEXT_SIZE];  /* canonical: small letters, one blank */
	uint64_t sets[CRON_FIELDS]; /* a bit for each number */
	bool starred[CRON_FIELDS];
};

/* False with one line in `error` that names the field, such as
 * `hour: "25" is not from 0 to 23`. What is never due, such as 30 February, is
 * refused too. */
bool cron_parse(
    struct cron *cron, const char *text, char error[CRON_ERROR_SIZE]);

/* The first time after `after` at which the schedule is due; there is one for
 * all that cron_parse has taken. */
time_t cron_next(const struct cron *cron, time_t after);

#endif
