/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <libutil.h>
#include <string.h>
#include <time.h>

#include "table.h"

const char *
table_time(int64_t when, char out[TABLE_TIME_SIZE])
{
	time_t seconds = (time_t)when;
	struct tm tm;

	if (when == 0 || gmtime_r(&seconds, &tm) == NULL ||
	    strftime(out, TABLE_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		strcpy(out, "-");
	return out;
}

const char *
table_age(int64_t when, char out[TABLE_CELL_SIZE])
{
	static const struct {
		char name;
		int64_t seconds;
	} units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
	int64_t age = time(NULL) - when;
	int i = 0;

	if (when == 0)
		return strcpy(out, "-");
	if (age < 0)
		age = 0;
	while (i < 3 && age < units[i].seconds)
		i++;
	if (i == 3)
		snprintf(out, TABLE_CELL_SIZE, "%" PRId64 "s", age);
	else
		snprintf(out, TABLE_CELL_SIZE, "%" PRId64 "%c%" PRId64 "%c",
		    age / units[i].seconds, units[i].name,
		    age % units[i].seconds / units[i + 1].seconds,
		    units[i + 1].name);
	return out;
}

const char *
table_size(int64_t bytes, char out[TABLE_CELL_SIZE])
{
	humanize_number(
	    out, 5, bytes, "", HN_AUTOSCALE, HN_B | HN_NOSPACE | HN_DECIMAL);
	return out;
}

void
table_name(FILE *out, const char *name, int width)
{
	table_text(out, name);
	if (strlen(name) > (size_t)width)
		fprintf(out, "\n%*s", width, "");
	else
		fprintf(out, "%*s", width - (int)strlen(name), "");
}

static void
write_text(FILE *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x20 && c < 0x7f)
			putc(c, out);
		else
			fprintf(out, "\\%03o", c);
	}
}

void
table_text(FILE *out, const char *text)
{
	write_text(out, text, strlen(text));
}

void
table_lines(FILE *out, const char *text, const char *indent)
{
	size_t len;

	for (; *text != '\0'; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		fputs(indent, out);
		write_text(out, text, len);
		putc('\n', out);
	}
}
