/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "odmrd/net/intake.h"

enum { LIMIT = 100 };

static void
put(struct intake *in, const char *bytes, size_t n)
{
	size_t room;
	char *at = intake_room(in, &room);

	assert_non_null(at);
	assert_true(room >= n);
	memcpy(at, bytes, n);
	intake_add(in, n);
}

static void
expect_line(struct intake *in, const char *wanted)
{
	size_t len, taken;
	char *line;

	assert_int_equal(
	    intake_line(in, LIMIT, false, &line, &len, &taken), LINE_OK);
	assert_string_equal(line, wanted);
	assert_int_equal(len, strlen(wanted));
	assert_int_equal(taken, len + 2);
	intake_use(in, taken);
}

static enum line_result
result_of(const char *bytes, size_t n, bool lenient)
{
	struct intake in = { 0 };
	enum line_result result;
	size_t len, taken;
	char *line;

	put(&in, bytes, n);
	result = intake_line(&in, LIMIT, lenient, &line, &len, &taken);
	intake_use(&in, n);
	return result;
}

static void
an_empty_one_holds_no_memory(void **state)
{
	struct intake in = { 0 };

	(void)state;
	intake_add(&in, 0);
	put(&in, "x", 1);
	assert_non_null(in.memory);
	intake_use(&in, 1);
	assert_null(in.memory);
	intake_room(&in, &(size_t) { 0 });
	intake_add(&in, 0);
	assert_null(in.memory);
}

static void
lines_come_out_one_by_one(void **state)
{
	static const char two[] = "EHLO a\r\n\r\nNO";
	struct intake in = { 0 };
	size_t len, taken;
	char *line;

	(void)state;
	put(&in, two, strlen(two));
	expect_line(&in, "EHLO a");
	expect_line(&in, "");
	assert_int_equal(
	    intake_line(&in, LIMIT, false, &line, &len, &taken), LINE_NONE);
	put(&in, "OP\r\n", 4);
	expect_line(&in, "NOOP");
	assert_null(in.memory);
}

static void
what_is_used_makes_room(void **state)
{
	char block[INTAKE_SIZE];
	struct intake in = { 0 };
	size_t room;

	(void)state;
	memset(block, 'x', sizeof(block));
	put(&in, block, sizeof(block));
	assert_null(intake_room(&in, &room));
	intake_use(&in, 1000);
	assert_non_null(intake_room(&in, &room));
	assert_int_equal(room, 1000);
	put(&in, "end", 3);
	intake_use(&in, sizeof(block) - 1000);
	assert_memory_equal(intake_bytes(&in), "end", 3);
	intake_use(&in, 3);
}

static void
a_line_that_does_not_end_is_long(void **state)
{
	char block[INTAKE_SIZE];
	struct intake in = { 0 };
	size_t len, taken;
	char *line;

	(void)state;
	memset(block, 'x', sizeof(block));
	assert_int_equal(result_of(block, LIMIT, false), LINE_NONE);
	assert_int_equal(result_of(block, LIMIT + 1, false), LINE_LONG);
	put(&in, block, sizeof(block));
	assert_int_equal(
	    intake_line(&in, 2 * INTAKE_SIZE, false, &line, &len, &taken),
	    LINE_LONG);
	intake_use(&in, sizeof(block));
}

static void
what_no_line_has_is_bad(void **state)
{
	(void)state;
	assert_int_equal(result_of("a\0b\r\n", 5, true), LINE_BAD);
	assert_int_equal(result_of("a\rb\r\n", 5, true), LINE_BAD);
	assert_int_equal(result_of("a\n", 2, false), LINE_BAD);
	assert_int_equal(result_of("a\n", 2, true), LINE_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_one_holds_no_memory),
		cmocka_unit_test(lines_come_out_one_by_one),
		cmocka_unit_test(what_is_used_makes_room),
		cmocka_unit_test(a_line_that_does_not_end_is_long),
		cmocka_unit_test(what_no_line_has_is_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
