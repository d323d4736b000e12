/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cron.h"

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY };
enum { NAME_LEN = 3, SUNDAY = 0, SUNDAY_TOO = 7, DAY_SECONDS = 86400 };

#define BIT(n) ((uint64_t)1 << (n))

struct field {
	const char *name;
	int least, most;
	const char *words; /* the names, in the order of their numbers */
};

static const struct field fields[CRON_FIELDS] = {
	[MINUTE] = { "minute", 0, 59, "" },
	[HOUR] = { "hour", 0, 23, "" },
	[DAY] = { "day of month", 1, 31, "" },
	[MONTH] = { "month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec" },
	[WEEKDAY] = { "day of week", SUNDAY, SUNDAY_TOO,
	    "sunmontuewedthufrisat" },
};

/* ---- reading ------------------------------------------------------------ */

/* One element of a field's list. */
struct reader {
	const struct field *field;
	const char *element;
	const char *at; /* what is not read yet */
	char *error;
};

static bool refuse(const struct reader *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static bool
refuse(const struct reader *reader, const char *fmt, ...)
{
	int n = snprintf(reader->error, CRON_ERROR_SIZE, "%s: \"%s\" ",
	    reader->field->name, reader->element);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reader->error + n, CRON_ERROR_SIZE - (size_t)n, fmt, ap);
	va_end(ap);
	return false;
}

/* Large ones come out as some number that is too large. */
static bool
take_number(struct reader *reader, int *number)
{
	if (!isdigit((unsigned char)*reader->at))
		return false;
	for (*number = 0; isdigit((unsigned char)*reader->at); reader->at++)
		if (*number < 1000)
			*number = *number * 10 + (*reader->at - '0');
	return true;
}

static bool
take_word(struct reader *reader, int *number)
{
	const char *words = reader->field->words;

	*number = reader->field->least;
	for (; *words != '\0'; words += NAME_LEN, ++*number) {
		if (strncmp(reader->at, words, NAME_LEN) != 0 ||
		    isalnum((unsigned char)reader->at[NAME_LEN]))
			continue;
		reader->at += NAME_LEN;
		return true;
	}
	return false;
}

static bool
take_value(struct reader *reader, int *value)
{
	const struct field *field = reader->field;

	if (!take_number(reader, value) && !take_word(reader, value))
		return refuse(reader, "is no %s",
		    field->words[0] != '\0' ? "number, name, range or \"*\""
					    : "number, range or \"*\"");
	if (*value < field->least || *value > field->most)
		return refuse(
		    reader, "is not from %d to %d", field->least, field->most);
	return true;
}

/* "fri-sun" ends with a Sunday too. */
static bool
take_range(struct reader *reader, int *first, int *last)
{
	if (!take_value(reader, first))
		return false;
	*last = *first;
	if (*reader->at != '-')
		return true;
	reader->at++;
	if (!take_value(reader, last))
		return false;
	if (reader->field == &fields[WEEKDAY] && *last == SUNDAY && *first > 0)
		*last = SUNDAY_TOO;
	return *first <= *last || refuse(reader, "runs backwards");
}

static bool
take_step(struct reader *reader, bool is_range, int *step)
{
	*step = 1;
	if (*reader->at != '/')
		return true;
	reader->at++;
	if (!is_range)
		return refuse(
		    reader, "has a step, which goes with a range or \"*\"");
	if (!take_number(reader, step) || *step < 1 ||
	    *step > reader->field->most)
		return refuse(reader, "has a step that is not from 1 to %d",
		    reader->field->most);
	return true;
}

static bool
take_element(struct reader *reader, uint64_t *set)
{
	int first = reader->field->least, last = reader->field->most, step;
	bool star = *reader->at == '*';

	reader->at += star;
	if (!star && !take_range(reader, &first, &last))
		return false;
	if (!take_step(reader, star || first < last, &step))
		return false;
	if (*reader->at != '\0')
		return refuse(
		    reader, "goes on with \"%s\" at its end", reader->at);
	for (; first <= last; first += step)
		*set |= BIT(first);
	return true;
}

/* `text` is taken apart. */
static bool
take_field(struct cron *cron, int i, char *text, char *error)
{
	struct reader reader = { .field = &fields[i], .error = error };

	cron->starred[i] = *text == '*';
	while ((reader.element = strsep(&text, ",")) != NULL) {
		reader.at = reader.element;
		if (!take_element(&reader, &cron->sets[i]))
			return false;
	}
	return true;
}

/* Copies what is typed into its canonical form. */
static bool
take_text(struct cron *cron, const char *typed, char *error)
{
	size_t len = 0;

	for (; *typed != '\0'; typed++) {
		bool blank = isspace((unsigned char)*typed);

		if (blank && (len == 0 || cron->text[len - 1] == ' '))
			continue;
		if (len == CRON_TEXT_SIZE - 1) {
			snprintf(error, CRON_ERROR_SIZE,
			    "longer than %d characters", CRON_TEXT_SIZE - 1);
			return false;
		}
		cron->text[len++] =
		    blank ? ' ' : (char)tolower((unsigned char)*typed);
	}
	if (len > 0 && cron->text[len - 1] == ' ')
		len--;
	cron->text[len] = '\0';
	return true;
}

static bool
has_date(const struct cron *cron)
{
	static const int days[] = { 0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31,
		30, 31 };

	if (!cron->starred[WEEKDAY])
		return true;
	for (int month = 1; month <= 12; month++)
		if ((cron->sets[MONTH] & BIT(month)) != 0 &&
		    (cron->sets[DAY] & (BIT(days[month] + 1) - 1)) != 0)
			return true;
	return false;
}

static bool
take_fields(struct cron *cron, char *error)
{
	char copy[CRON_TEXT_SIZE], *rest = copy, *word;

	strcpy(copy, cron->text);
	for (int i = 0; i < CRON_FIELDS; i++) {
		word = strsep(&rest, " ");
		if (word == NULL || *word == '\0') {
			snprintf(error, CRON_ERROR_SIZE, "%s: is missing",
			    fields[i].name);
			return false;
		}
		if (!take_field(cron, i, word, error))
			return false;
	}
	if (rest == NULL)
		return true;
	snprintf(
	    error, CRON_ERROR_SIZE, "\"%s\" comes after the five fields", rest);
	return false;
}

bool
cron_parse(struct cron *cron, const char *text, char error[CRON_ERROR_SIZE])
{
	memset(cron, 0, sizeof(*cron));
	if (!take_text(cron, text, error) || !take_fields(cron, error))
		return false;
	cron->sets[WEEKDAY] |= cron->sets[WEEKDAY] >> SUNDAY_TOO;
	cron->sets[WEEKDAY] &= BIT(SUNDAY_TOO) - 1;
	if (has_date(cron))
		return true;
	snprintf(error, CRON_ERROR_SIZE,
	    "day of month: comes in none of the months");
	return false;
}

/* ---- the next time ------------------------------------------------------ */

static bool
has(const struct cron *cron, int field, int number)
{
	return (cron->sets[field] & BIT(number)) != 0;
}

static bool
has_day(const struct cron *cron, const struct tm *tm)
{
	bool day = has(cron, DAY, tm->tm_mday);
	bool weekday = has(cron, WEEKDAY, tm->tm_wday);

	if (cron->starred[DAY] || cron->starred[WEEKDAY])
		return day && weekday;
	return day || weekday;
}

/* What a clock on the wall shows is a number here as well: the time at which
 * UTC shows the same. The first reading, from `wall` on, that is in all
 * fields. */
static time_t
next_reading(const struct cron *cron, time_t wall)
{
	struct tm tm;

	for (gmtime_r(&wall, &tm);; wall = timegm(&tm)) {
		if (!has(cron, MONTH, tm.tm_mon + 1)) {
			tm.tm_mon++;
			tm.tm_mday = 1;
			tm.tm_hour = tm.tm_min = 0;
		} else if (!has_day(cron, &tm)) {
			tm.tm_mday++;
			tm.tm_hour = tm.tm_min = 0;
		} else if (!has(cron, HOUR, tm.tm_hour)) {
			tm.tm_hour++;
			tm.tm_min = 0;
		} else if (!has(cron, MINUTE, tm.tm_min)) {
			tm.tm_min++;
		} else {
			return wall;
		}
	}
}

/* How far the clock is ahead of UTC. */
static time_t
offset(time_t t)
{
	struct tm tm;

	localtime_r(&t, &tm);
	return tm.tm_gmtoff;
}

/* The first minute after `t` with the offset of `end`, which is another. */
static time_t
jump_between(time_t t, time_t end)
{
	time_t before = offset(t), middle;

	while (end - t > 60) {
		middle = t + (end - t) / 120 * 60;
		if (offset(middle) == before)
			t = middle;
		else
			end = middle;
	}
	return end;
}

/* Has the clock, jumping forward to what it shows at `t`, left something out?
 */
static bool
catches_up(const struct cron *cron, time_t t)
{
	time_t skipped = t + offset(t - 60), now = t + offset(t);

	return skipped < now && next_reading(cron, skipped) < now;
}

/* Has the clock, since it jumped back, shown this before? */
static bool
is_repeated(time_t t)
{
	time_t back = offset(t - DAY_SECONDS) - offset(t);

	return back > 0 && offset(t - back) == offset(t - DAY_SECONDS);
}

/* From `t` to `due`, which is right if the clock does not jump until then, the
 * clock shows nothing that is in the fields, so it matters only near `due`
 * whether it jumps. */
time_t
cron_next(const struct cron *cron, time_t after)
{
	bool once = !cron->starred[HOUR];
	time_t t = after - after % 60 + 60, due;

	for (;;) {
		if (once && catches_up(cron, t))
			return t;
		due = next_reading(cron, t + offset(t)) - offset(t);
		if (due - t > 3 * DAY_SECONDS)
			t = due - 2 * DAY_SECONDS;
		else if (offset(due) != offset(t))
			t = jump_between(t, due);
		else if (once && is_repeated(due))
			t = due + 60;
		else
			return due;
	}
}
