/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "period.h"

enum { DAY_LENGTH = sizeof("YYYY-MM-DD") - 1, DAY = 24 * 3600 };

static void
write_day(const struct tm *tm, char out[DAY_SIZE])
{
	if (strftime(out, DAY_SIZE, "%Y-%m-%d", tm) == 0)
		out[0] = '\0';
}

static void
days_ago(int days, char out[DAY_SIZE])
{
	time_t then = time(NULL) - days * DAY;
	struct tm tm;

	gmtime_r(&then, &tm);
	write_day(&tm, out);
}

/* strptime takes "2026-2-1", "26-01-01", blanks, and 31 February. */
static bool
parse_day(const char *text, char out[DAY_SIZE])
{
	struct tm tm = { .tm_hour = 12 };
	const char *end = strptime(text, "%Y-%m-%d", &tm);

	if (end == NULL || *end != '\0' || strlen(text) != DAY_LENGTH)
		return false;
	timegm(&tm);
	write_day(&tm, out);
	return strcmp(text, out) == 0;
}

static int
take_day(const char *option, const char *text, char out[DAY_SIZE])
{
	if (strcmp(text, "today") == 0)
		days_ago(0, out);
	else if (strcmp(text, "yesterday") == 0)
		days_ago(1, out);
	else if (!parse_day(text, out))
		return complain(EX_USAGE,
		    "%s \"%s\" is no day: it must be YYYY-MM-DD, today or "
		    "yesterday",
		    option, text);
	return EX_OK;
}

int
period_take(const struct arguments *args, struct period *period)
{
	int code =
	    take_day("--to", args->to != NULL ? args->to : "today", period->to);

	if (code != EX_OK)
		return code;
	if (args->from != NULL) {
		code = take_day("--from", args->from, period->from);
	} else {
		strcpy(period->from, period->to);
		strcpy(period->from + strlen("YYYY-MM-"), "01");
	}
	if (code == EX_OK && strcmp(period->from, period->to) > 0)
		return complain(EX_USAGE, "--from %s is after --to %s",
		    period->from, period->to);
	return code;
}
