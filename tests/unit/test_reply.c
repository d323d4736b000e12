/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/reply.h"

static enum reply_result
give(struct reply *reply, const char *line)
{
	return reply_line(reply, line, strlen(line));
}

static void
one_line(const char *line, int code, const char *text)
{
	struct reply reply = { 0 };

	assert_int_equal(give(&reply, line), REPLY_DONE);
	assert_int_equal(reply.code, code);
	assert_string_equal(reply.text, text);
	assert_int_equal(reply_class(&reply), code / 100);
}

static void
bad(const char *line)
{
	struct reply reply = { 0 };

	if (give(&reply, line) != REPLY_BAD)
		fail_msg("\"%s\" is taken for %d", line, reply.code);
}

static void
reads_one_line(void **state)
{
	(void)state;
	one_line("250 2.1.0 Ok", 250, "2.1.0 Ok");
	one_line("354 go ahead", 354, "go ahead");
	one_line("421", 421, "");
	one_line("550 ", 550, "");
	one_line("550  x", 550, " x");
	one_line("599 x-y", 599, "x-y");
}

static void
joins_many_lines_by_a_space(void **state)
{
	struct reply reply = { 0 };

	(void)state;
	assert_int_equal(give(&reply, "550-5.1.1 no"), REPLY_MORE);
	assert_int_equal(give(&reply, "550-"), REPLY_MORE);
	assert_int_equal(give(&reply, "550-such"), REPLY_MORE);
	assert_int_equal(give(&reply, "550 user"), REPLY_DONE);
	assert_int_equal(reply.code, 550);
	assert_int_equal(reply.lines, 4);
	assert_string_equal(reply.text, "5.1.1 no such user");
}

static void
refuses_what_is_no_reply(void **state)
{
	(void)state;
	bad("");
	bad("2");
	bad("25");
	bad("hello");
	bad("25x ok");
	bad("2 50");
	bad("150 wait");
	bad("650 hm");
	bad("050 hm");
	bad("250ok");
	bad("250\tok");
	bad(" 250 ok");
	bad("2500");
	bad("\xb2\xb5\xb0 ok");
}

static void
refuses_a_code_that_changes(void **state)
{
	struct reply reply = { 0 };

	(void)state;
	assert_int_equal(give(&reply, "250-ok"), REPLY_MORE);
	assert_int_equal(give(&reply, "251 ok"), REPLY_BAD);
}

static void
refuses_too_many_lines(void **state)
{
	struct reply reply = { 0 };

	(void)state;
	for (int i = 0; i < REPLY_LINES_MAX; i++)
		assert_int_equal(give(&reply, "250-x"), REPLY_MORE);
	assert_int_equal(give(&reply, "250 x"), REPLY_BAD);
}

static void
makes_text_printable(void **state)
{
	(void)state;
	one_line("550 a\x1b[2J\x07 \x7f b", 550, "a?[2J? ? b");
	one_line("550 caf\xc3\xa9", 550, "caf??");
}

static void
cuts_text_at_its_bound(void **state)
{
	struct reply reply = { 0 };
	char line[4 + 2 * REPLY_TEXT_SIZE];

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	memcpy(line, "550-", 4);
	assert_int_equal(give(&reply, line), REPLY_MORE);
	assert_int_equal(strlen(reply.text), REPLY_TEXT_SIZE - 1);
	line[3] = ' ';
	assert_int_equal(give(&reply, line), REPLY_DONE);
	assert_int_equal(strlen(reply.text), REPLY_TEXT_SIZE - 1);
	assert_int_equal(reply.len, REPLY_TEXT_SIZE - 1);
}

/* Every length around the bound, with the space that joins two lines. */
static void
joins_up_to_the_bound(void **state)
{
	char line[4 + REPLY_TEXT_SIZE + 8];

	(void)state;
	for (size_t n = REPLY_TEXT_SIZE - 4; n < REPLY_TEXT_SIZE + 4; n++) {
		struct reply reply = { 0 };

		memset(line, 'x', sizeof(line));
		memcpy(line, "250-", 4);
		line[4 + n] = '\0';
		assert_int_equal(give(&reply, line), REPLY_MORE);
		assert_int_equal(give(&reply, "250 yz"), REPLY_DONE);
		assert_int_equal(reply.len, strlen(reply.text));
		assert_true(reply.len < REPLY_TEXT_SIZE);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_one_line),
		cmocka_unit_test(joins_many_lines_by_a_space),
		cmocka_unit_test(refuses_what_is_no_reply),
		cmocka_unit_test(refuses_a_code_that_changes),
		cmocka_unit_test(refuses_too_many_lines),
		cmocka_unit_test(makes_text_printable),
		cmocka_unit_test(cuts_text_at_its_bound),
		cmocka_unit_test(joins_up_to_the_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
