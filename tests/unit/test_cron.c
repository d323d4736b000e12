/* SPDX-License-Identifier: ISC */
/*
 * Cron fields: what is taken, what is refused, and when it is due, where the
 * clock jumps as well. In the end cron_next is held against a reference that
 * goes through the minutes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "lib/cron.h"

enum { NEXT_MAX = 8, WINDOW = 3 * 24 * 60, RUNS = 6000 };

static void
use_zone(const char *name)
{
	setenv("TZ", name, 1);
	tzset();
}

static void
parse(struct cron *cron, const char *fields)
{
	char error[CRON_ERROR_SIZE];

	if (!cron_parse(cron, fields, error))
		fail_msg("\"%s\": %s", fields, error);
}

/* "2026-03-29 02:30" or, with seconds since 1970, "@1774746000". Local; of two
 * equal times the first. */
static time_t
at(const char *text)
{
	struct tm tm = { .tm_isdst = -1 };

	if (text[0] == '@')
		return atoll(text + 1);
	assert_non_null(strptime(text, "%Y-%m-%d %H:%M", &tm));
	return mktime(&tm);
}

/* The next times after `after`, up to the NULL, each with its offset. */
static void
expect(const char *zone, const char *fields, const char *after,
    const char *const times[NEXT_MAX])
{
	struct cron cron;
	char text[64];
	struct tm tm;
	time_t t;

	use_zone(zone);
	parse(&cron, fields);
	t = at(after);
	for (int i = 0; i < NEXT_MAX && times[i] != NULL; i++) {
		t = cron_next(&cron, t);
		localtime_r(&t, &tm);
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M %z", &tm);
		if (strcmp(text, times[i]) != 0)
			fail_msg("%s \"%s\": %s, not %s", zone, fields, text,
			    times[i]);
	}
}

#define TIMES(...) ((const char *const[NEXT_MAX]) { __VA_ARGS__ })

/* ---- reading ------------------------------------------------------------ */

static void
expect_text(const char *typed, const char *text)
{
	struct cron cron;

	parse(&cron, typed);
	assert_string_equal(cron.text, text);
}

static void
text_has_single_blanks_and_small_letters(void **arg)
{
	(void)arg;
	expect_text("* * * * *", "* * * * *");
	expect_text("  0\t12  1 JAN,Feb \n Mon-FRI ", "0 12 1 jan,feb mon-fri");
}

/* The same fields in two ways of writing. */
static void
expect_same(const char *one, const char *other)
{
	struct cron a, b;

	parse(&a, one);
	parse(&b, other);
	for (int i = 0; i < CRON_FIELDS; i++)
		if (a.sets[i] != b.sets[i])
			fail_msg("\"%s\" \"%s\": field %d", one, other, i + 1);
}

static void
names_ranges_and_steps_are_sets_of_numbers(void **arg)
{
	(void)arg;
	expect_same("*/20 * * * *", "0,20,40 0-23 1-31 1-12 0-6");
	expect_same("10-20/5 8-18/5 * * *", "10,15,20 8,13,18 * * *");
	expect_same("0 0 * jan,DEC sun", "0 0 * 1,12 0");
	expect_same("0 0 * feb-apr mon-fri", "0 0 * 2-4 1-5");
	expect_same("0 0 * * 5-7", "0 0 * * 0,5,6,7");
	expect_same("0 0 * * fri-sun", "0 0 * * 5,6,7");
	expect_same("0 0 * * mon,wed-fri/2,0", "0 0 * * 1,3,5,0");
	expect_same("00 01 007 08 *", "0 1 7 8 *");
	expect_same("3,3,3-3 1,1-2 * * *", "3 1-2 * * *");
}

static void
broken_field_is_named(void **arg)
{
	static const struct {
		const char *fields, *error;
	} broken[] = {
		{ "0 25 * * *", "hour: \"25\" is not from 0 to 23" },
		{ "60 * * * *", "minute: \"60\" is not from 0 to 59" },
		{ "1,2,99999999999999999999 * * * *",
		    "minute: \"99999999999999999999\" is not from 0 to 59" },
		{ "0 0 0 * *", "day of month: \"0\" is not from 1 to 31" },
		{ "0 0 1-32 * *",
		    "day of month: \"1-32\" is not from 1 to 31" },
		{ "0 0 * 13 *", "month: \"13\" is not from 1 to 12" },
		{ "0 0 * * 8", "day of week: \"8\" is not from 0 to 7" },
		{ "0 0 * foo *",
		    "month: \"foo\" is no number, name, range or \"*\"" },
		{ "0 0 * january *",
		    "month: \"january\" is no number, name, range or \"*\"" },
		{ "0 mon * * *", "hour: \"mon\" is no number, range or \"*\"" },
		{ "1, * * * *", "minute: \"\" is no number, range or \"*\"" },
		{ "-1 * * * *", "minute: \"-1\" is no number, range or \"*\"" },
		{ "1- * * * *", "minute: \"1-\" is no number, range or \"*\"" },
		{ "0 18-8 * * *", "hour: \"18-8\" runs backwards" },
		{ "0 0 * * fri-mon",
		    "day of week: \"fri-mon\" runs backwards" },
		{ "5/10 * * * *",
		    "minute: \"5/10\" has a step, which goes "
		    "with a range or \"*\"" },
		{ "*/0 * * * *",
		    "minute: \"*/0\" has a step that is not from 1 to 59" },
		{ "*/ * * * *",
		    "minute: \"*/\" has a step that is not from 1 to 59" },
		{ "* */24 * * *",
		    "hour: \"*/24\" has a step that is not from 1 to 23" },
		{ "*5 * * * *",
		    "minute: \"*5\" goes on with \"5\" at its end" },
		{ "1;id * * * *",
		    "minute: \"1;id\" goes on with \";id\" at its end" },
		{ "", "minute: is missing" },
		{ "  ", "minute: is missing" },
		{ "0 0 * *", "day of week: is missing" },
		{ "0 0 * * * reboot",
		    "\"reboot\" comes after the five fields" },
		{ "0 0 30 2 *", "day of month: comes in none of the months" },
		{ "0 0 31 2,4,jun,9,11 *",
		    "day of month: comes in none of the months" },
		{ "0 0 30 2 */2", "day of month: comes in none of the months" },
	};
	char error[CRON_ERROR_SIZE];
	struct cron cron;

	(void)arg;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		if (cron_parse(&cron, broken[i].fields, error))
			fail_msg("\"%s\" was taken", broken[i].fields);
		assert_string_equal(error, broken[i].error);
	}
}

static void
what_is_too_long_is_refused_not_cut(void **arg)
{
	char text[CRON_TEXT_SIZE + 32], error[CRON_ERROR_SIZE];
	struct cron cron;
	size_t list = CRON_TEXT_SIZE - 1 - strlen(" * * * *");

	(void)arg;
	memset(text, '0', list);
	strcpy(text + list, " * * * *");
	parse(&cron, text);
	text[list] = '0';
	strcpy(text + list + 1, " * * * *");
	assert_false(cron_parse(&cron, text, error));
	assert_string_equal(error, "longer than 255 characters");
}

/* Whatever the bytes: no crash, one line. */
static void
garbage_is_refused_in_one_line(void **arg)
{
	static const char letters[] = "0123456789*,-/ \tjanmonx;'\"$\n\x01\xff";
	char text[40], error[CRON_ERROR_SIZE];
	struct cron cron;
	size_t len;

	(void)arg;
	srandom(1);
	for (int run = 0; run < 100000; run++) {
		len = (size_t)random() % sizeof(text);
		for (size_t i = 0; i < len; i++)
			text[i] =
			    letters[(size_t)random() % (sizeof(letters) - 1)];
		text[len] = '\0';
		error[0] = '\0';
		if (!cron_parse(&cron, text, error))
			assert_true(error[0] != '\0');
		assert_null(strchr(error, '\n'));
	}
}

/* ---- the calendar ------------------------------------------------------- */

static void
next_time_is_the_first_after(void **arg)
{
	(void)arg;
	expect("UTC", "*/15 8-9 * * 1-5", "2026-11-20 09:31",
	    TIMES("2026-11-20 09:45 +0000", "2026-11-23 08:00 +0000",
		"2026-11-23 08:15 +0000"));
	expect("UTC", "0 0 1 1 *", "2026-01-01 00:00",
	    TIMES("2027-01-01 00:00 +0000"));
	expect("UTC", "* * * * *", "@59",
	    TIMES("1970-01-01 00:01 +0000", "1970-01-01 00:02 +0000"));
	expect("UTC", "* * * * *", "@61", TIMES("1970-01-01 00:02 +0000"));
	expect("UTC", "0 0 31 * *", "2026-01-31 00:00",
	    TIMES("2026-03-31 00:00 +0000", "2026-05-31 00:00 +0000"));
}

static void
leap_day_is_found_years_away(void **arg)
{
	(void)arg;
	expect("Europe/Berlin", "0 0 29 2 *", "2026-11-22 00:00",
	    TIMES("2028-02-29 00:00 +0100", "2032-02-29 00:00 +0100"));
	expect("UTC", "0 0 29 2 *", "2096-02-29 00:00",
	    TIMES("2104-02-29 00:00 +0000"));
	/* It must be a Sunday as well, since "*" begins the field. */
	expect("UTC", "0 0 29 2 */7", "2076-03-01 00:00",
	    TIMES("2088-02-29 00:00 +0000", "2128-02-29 00:00 +0000"));
}

static void
either_day_field_suffices_unless_one_begins_with_a_star(void **arg)
{
	(void)arg;
	/* 2026-11-01 is a Sunday. */
	expect("UTC", "0 0 13 * fri", "2026-11-01 00:00",
	    TIMES("2026-11-06 00:00 +0000", "2026-11-13 00:00 +0000",
		"2026-11-20 00:00 +0000", "2026-11-27 00:00 +0000",
		"2026-12-04 00:00 +0000", "2026-12-11 00:00 +0000",
		"2026-12-13 00:00 +0000"));
	expect("UTC", "0 0 * * fri", "2026-11-01 00:00",
	    TIMES("2026-11-06 00:00 +0000", "2026-11-13 00:00 +0000"));
	expect("UTC", "0 0 13 * *", "2026-11-01 00:00",
	    TIMES("2026-11-13 00:00 +0000", "2026-12-13 00:00 +0000"));
	expect("UTC", "0 0 */2 * fri", "2026-11-01 00:00",
	    TIMES("2026-11-13 00:00 +0000", "2026-11-27 00:00 +0000"));
	expect("UTC", "0 0 6 * */5", "2026-11-01 00:00",
	    TIMES("2026-11-06 00:00 +0000", "2026-12-06 00:00 +0000"));
	expect("UTC", "0 0 30 2 mon", "2026-02-01 00:00",
	    TIMES("2026-02-02 00:00 +0000"));
}

/* ---- jumps -------------------------------------------------------------- */

static void
skipped_time_is_made_up_for_at_the_first_minute_after_the_jump(void **arg)
{
	(void)arg;
	expect("Europe/Berlin", "30 2 * * *", "2026-03-28 00:00",
	    TIMES("2026-03-28 02:30 +0100", "2026-03-29 03:00 +0200",
		"2026-03-30 02:30 +0200"));
	expect("Europe/Berlin", "*/10 2 * * *", "2026-03-29 00:00",
	    TIMES("2026-03-29 03:00 +0200", "2026-03-30 02:00 +0200"));
	expect("Europe/Berlin", "0 2,3 29 3 *", "2026-03-01 00:00",
	    TIMES("2026-03-29 03:00 +0200", "2027-03-29 02:00 +0200"));
	expect("America/New_York", "5 2 * * sun", "2026-03-02 00:00",
	    TIMES("2026-03-08 03:00 -0400", "2026-03-15 02:05 -0400"));
	expect("Australia/Lord_Howe", "15 2 * * *", "2026-10-03 03:00",
	    TIMES("2026-10-04 02:30 +1100", "2026-10-05 02:15 +1100"));
	expect("Australia/Lord_Howe", "45 2 * * *", "2026-10-03 03:00",
	    TIMES("2026-10-04 02:45 +1100", "2026-10-05 02:45 +1100"));
	/* Where midnight itself is left out; and a whole day. */
	expect("America/Santiago", "0 0 * * *", "2026-09-05 01:00",
	    TIMES("2026-09-06 01:00 -0300", "2026-09-07 00:00 -0300"));
	expect("Pacific/Apia", "0 12 30 12 *", "2011-12-01 00:00",
	    TIMES("2011-12-31 00:00 +1400", "2012-12-30 12:00 +1400"));
}

static void
repeated_time_is_due_at_its_first(void **arg)
{
	(void)arg;
	expect("Europe/Berlin", "30 2 * * *", "2026-10-24 12:00",
	    TIMES("2026-10-25 02:30 +0200", "2026-10-26 02:30 +0100"));
	expect("Europe/Berlin", "0,30 1-3 * * *", "2026-10-25 01:00",
	    TIMES("2026-10-25 01:30 +0200", "2026-10-25 02:00 +0200",
		"2026-10-25 02:30 +0200", "2026-10-25 03:00 +0100"));
	/* Both lie far ahead, and the second has the offset of today. */
	expect("Europe/Berlin", "30 2 25 10 *", "2026-01-10 12:00",
	    TIMES("2026-10-25 02:30 +0200", "2027-10-25 02:30 +0200"));
	expect("America/New_York", "59 1 * * *", "2026-10-31 12:00",
	    TIMES("2026-11-01 01:59 -0400", "2026-11-02 01:59 -0500"));
	expect("Australia/Lord_Howe", "29,30,59 1 * * *", "2026-04-05 00:00",
	    TIMES("2026-04-05 01:29 +1100", "2026-04-05 01:30 +1100",
		"2026-04-05 01:59 +1100", "2026-04-06 01:29 +1030"));
}

static void
star_in_the_hours_goes_by_real_time(void **arg)
{
	(void)arg;
	expect("Europe/Berlin", "30 * * * *", "2026-03-29 00:45",
	    TIMES("2026-03-29 01:30 +0100", "2026-03-29 03:30 +0200"));
	expect("Europe/Berlin", "30 * * * *", "2026-10-25 01:45",
	    TIMES("2026-10-25 02:30 +0200", "2026-10-25 02:30 +0100",
		"2026-10-25 03:30 +0100"));
	expect("Europe/Berlin", "0 */2 * * *", "2026-10-25 00:00",
	    TIMES("2026-10-25 02:00 +0200", "2026-10-25 02:00 +0100",
		"2026-10-25 04:00 +0100"));
	expect("Australia/Lord_Howe", "*/20 * * * *", "2026-04-05 01:20",
	    TIMES("2026-04-05 01:40 +1100", "2026-04-05 01:40 +1030",
		"2026-04-05 02:00 +1030"));
}

static void
zone_without_jumps_and_with_odd_minutes(void **arg)
{
	(void)arg;
	expect("Asia/Kathmandu", "0 2 * * *", "2026-03-28 12:00",
	    TIMES("2026-03-29 02:00 +0545", "2026-03-30 02:00 +0545"));
	expect("Asia/Kathmandu", "45 */6 * * *", "2026-03-28 12:00",
	    TIMES("2026-03-28 12:45 +0545", "2026-03-28 18:45 +0545"));
}

/* ---- the reference ------------------------------------------------------ */

static long long
wall_of(time_t t)
{
	struct tm tm;

	localtime_r(&t, &tm);
	return (long long)t + tm.tm_gmtoff;
}

static int
matches(const struct cron *cron, long long wall)
{
	time_t as_time = wall;
	struct tm tm;
	int day, weekday;

	gmtime_r(&as_time, &tm);
	day = cron->sets[2] >> tm.tm_mday & 1;
	weekday = cron->sets[4] >> tm.tm_wday & 1;
	return (cron->sets[0] >> tm.tm_min & 1) &&
	    (cron->sets[1] >> tm.tm_hour & 1) &&
	    (cron->sets[3] >> (tm.tm_mon + 1) & 1) &&
	    (cron->starred[2] || cron->starred[4] ? day && weekday
						  : day || weekday);
}

/* What the clock showed in each minute of a window, which begins a day and a
 * half before the time in question. */
struct window {
	time_t begin;
	long long walls[WINDOW];
};

/* The highest reading so far: what is not above it was shown before, what is
 * between was skipped. */
static time_t
reference_next(
    const struct cron *cron, const struct window *window, time_t after)
{
	long long highest = window->walls[0], wall, shown;
	int due;
	time_t t;

	for (int i = 1; i < WINDOW; i++) {
		t = window->begin + i * 60;
		wall = window->walls[i];
		due = 0;
		if (cron->starred[1]) {
			due = matches(cron, wall);
		} else if (t > after) {
			for (shown = highest + 60; shown <= wall; shown += 60)
				due |= matches(cron, shown);
		}
		if (wall > highest)
			highest = wall;
		if (due && t > after)
			return t;
	}
	return 0;
}

static int
pick(int from, int to)
{
	return from + (int)(random() % (to - from + 1));
}

static void
random_field(char *out, int least, int most)
{
	int first = pick(least, most), last = pick(first, most);

	switch (pick(0, 5)) {
	case 0:
	case 1:
		sprintf(out, "*");
		break;
	case 2:
		sprintf(out, "*/%d", pick(1, most));
		break;
	case 3:
		sprintf(out, "%d-%d/%d", first,
		    last + (first == last && last < most), pick(1, 3));
		if (first == last && last == most)
			sprintf(out, "%d", first);
		break;
	default:
		sprintf(out, "%d,%d-%d", pick(least, most), first, last);
		break;
	}
}

static void
random_cron(struct cron *cron)
{
	char fields[CRON_FIELDS][64], text[CRON_TEXT_SIZE];
	char error[CRON_ERROR_SIZE];

	do {
		random_field(fields[0], 0, 59);
		random_field(fields[1], 0, 23);
		if (pick(0, 1) == 0)
			random_field(fields[1], 0, 3);
		random_field(fields[2], 1, 31);
		random_field(fields[3], 1, 12);
		random_field(fields[4], 0, 7);
		for (int i = 2; i < CRON_FIELDS; i++)
			if (pick(0, 2) > 0)
				strcpy(fields[i], "*");
		snprintf(text, sizeof(text), "%.40s %.40s %.40s %.40s %.40s",
		    fields[0], fields[1], fields[2], fields[3], fields[4]);
	} while (!cron_parse(cron, text, error));
}

static void
compare(const struct cron *cron, const struct window *window, time_t after,
    const char *zone)
{
	time_t next = cron_next(cron, after);
	time_t expected = reference_next(cron, window, after);
	time_t end = window->begin + (WINDOW - 1) * 60;

	if (expected == 0 ? next <= end : next != expected)
		fail_msg("TZ=%s \"%s\" after %lld: %lld, not %lld", zone,
		    cron->text, (long long)after, (long long)next,
		    (long long)expected);
}

/* Half of the windows lie around a jump. */
static time_t
random_time(void)
{
	/* 2026: Europe, America and Lord Howe jump near these. */
	static const time_t jumps[] = { 1774746000, 1792890000, 1772953200,
		1793512800, 1775314800, 1791039600 };

	if (pick(0, 1) == 0)
		return 1767225600 + pick(0, 10 * 365 * 1440) * 60;
	return jumps[pick(0, 5)] + pick(-2000, 300) * 60;
}

static void
next_time_is_that_of_the_slow_reference(void **arg)
{
	static const char *const zones[] = { "Europe/Berlin",
		"America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu" };
	static struct window window;
	const char *zone;
	struct cron cron;
	time_t middle;

	(void)arg;
	srandom(42);
	for (int run = 0; run < RUNS / 20; run++) {
		zone = zones[run % 4];
		use_zone(zone);
		middle = random_time();
		window.begin = middle - WINDOW / 2 * 60;
		for (int i = 0; i < WINDOW; i++)
			window.walls[i] = wall_of(window.begin + i * 60);
		for (int i = 0; i < 20; i++) {
			random_cron(&cron);
			compare(&cron, &window, middle + pick(0, 119), zone);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_has_single_blanks_and_small_letters),
		cmocka_unit_test(names_ranges_and_steps_are_sets_of_numbers),
		cmocka_unit_test(broken_field_is_named),
		cmocka_unit_test(what_is_too_long_is_refused_not_cut),
		cmocka_unit_test(garbage_is_refused_in_one_line),
		cmocka_unit_test(next_time_is_the_first_after),
		cmocka_unit_test(leap_day_is_found_years_away),
		cmocka_unit_test(
		    either_day_field_suffices_unless_one_begins_with_a_star),
		cmocka_unit_test(
		    skipped_time_is_made_up_for_at_the_first_minute_after_the_jump),
		cmocka_unit_test(repeated_time_is_due_at_its_first),
		cmocka_unit_test(star_in_the_hours_goes_by_real_time),
		cmocka_unit_test(zone_without_jumps_and_with_odd_minutes),
		cmocka_unit_test(next_time_is_that_of_the_slow_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
