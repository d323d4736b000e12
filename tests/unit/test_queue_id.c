/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/queue_id.h"

static void
both_forms_of_postfix_are_queue_ids(void **state)
{
	(void)state;
	assert_true(queue_id_valid("6B0288A61FD"));
	assert_true(queue_id_valid("0000A1"));
	assert_true(queue_id_valid("4jXJdX1Brzz1bsXT"));
	/* A 'z' in the microseconds too. */
	assert_true(queue_id_valid("4jXJdX1Bzzz1bsXT"));
	assert_true(queue_id_valid("4jXJdX1BrzzB"));
}

static void
nothing_else_is_one(void **state)
{
	static const char *const others[] = { "", "ALL", "-", "-d", "ALLALL",
		"ABCDE", "6b0288a61fd", "6B0288A61FD ", "../../../x",
		"6B0288A61FD\n", "4jXJdX1Brzz", "4jXJdX1Br", "4jXJdX1Br1bsXT",
		"4jAJdX1Brzz1bsXT", "4jXJdX1Brzz1b/sXT",
		"4jXJdX1Brzz1bsXT deferred",
		"0123456789ABCDEF0123456789ABCDEF0" };

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (queue_id_valid(others[i]))
			fail_msg("\"%s\" was taken", others[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_forms_of_postfix_are_queue_ids),
		cmocka_unit_test(nothing_else_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
