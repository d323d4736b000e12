/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <libutil.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "table.h"

enum { TABLE_WIDTH = 80, ESCAPE_WIDTH = sizeof("\\ooo") - 1 };

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
table_duration(int64_t seconds, char out[TABLE_CELL_SIZE])
{
	static const struct {
		char name;
		int64_t seconds;
	} units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
	int i = 0;

	while (i < 3 && seconds < units[i].seconds)
		i++;
	if (i == 3)
		snprintf(out, TABLE_CELL_SIZE, "%" PRId64 "s", seconds);
	else
		snprintf(out, TABLE_CELL_SIZE, "%" PRId64 "%c%" PRId64 "%c",
		    seconds / units[i].seconds, units[i].name,
		    seconds % units[i].seconds / units[i + 1].seconds,
		    units[i + 1].name);
	return out;
}

const char *
table_age(int64_t when, char out[TABLE_CELL_SIZE])
{
	int64_t age = time(NULL) - when;

	if (when == 0)
		return strcpy(out, "-");
	return table_duration(age > 0 ? age : 0, out);
}

const char *
table_size(int64_t bytes, char out[TABLE_CELL_SIZE])
{
	humanize_number(
	    out, 5, bytes, "", HN_AUTOSCALE, HN_B | HN_NOSPACE | HN_DECIMAL);
	return out;
}

const char *
table_count(int64_t count, int width, char out[TABLE_CELL_SIZE])
{
	if (snprintf(out, TABLE_CELL_SIZE, "%" PRId64, count) > width)
		humanize_number(out, (size_t)width + 1, count, "", HN_AUTOSCALE,
		    HN_NOSPACE | HN_DIVISOR_1000);
	return out;
}

static bool
is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f;
}

static void
write_text(FILE *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (is_plain(c))
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

/* How many columns write_text needs. */
static size_t
columns(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += is_plain((unsigned char)*text) ? 1 : ESCAPE_WIDTH;
	return n;
}

void
table_name(FILE *out, const char *name, int width)
{
	size_t used = columns(name);

	table_text(out, name);
	if (used > (size_t)width)
		fprintf(out, "\n%*s", width, "");
	else
		fprintf(out, "%*s", width - (int)used, "");
}

void
table_line(FILE *out, const char *text, size_t len, const char *indent)
{
	fputs(indent, out);
	write_text(out, text, len);
	putc('\n', out);
}

/* How much of `text` fits into `room` columns; not all of it: up to a blank,
 * unless that is far away. */
static size_t
fitting(const char *text, size_t room)
{
	size_t used = 0, len, blank = 0;

	for (len = 0; text[len] != '\0'; len++) {
		used += is_plain((unsigned char)text[len]) ? 1 : ESCAPE_WIDTH;
		if (used > room)
			return blank > 0 ? blank : len;
		if (text[len] == ' ' && used > room / 2)
			blank = len;
	}
	return len;
}

void
table_paragraph(FILE *out, const char *text, const char *indent)
{
	size_t len;

	do {
		len = fitting(text, TABLE_WIDTH - strlen(indent));
		table_line(out, text, len, indent);
		text += len + (text[len] == ' ');
	} while (*text != '\0');
}

void
table_lines(FILE *out, const char *text, const char *indent)
{
	size_t len;

	for (; *text != '\0'; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		table_line(out, text, len, indent);
	}
}
