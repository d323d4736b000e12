/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/postfix/lifetime.h"

static void
times_are_read_as_in_main_cf(void **arg)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} times[] = { { "5d", 432000 }, { "5", 432000 }, { "0", 0 },
		{ "90s", 90 }, { "2m", 120 }, { "3H", 10800 },
		{ "2w", 1209600 } };

	(void)arg;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		assert_int_equal(
		    postfix_seconds(times[i].text, 'd'), times[i].seconds);
	assert_int_equal(postfix_seconds("5", 's'), 5);
}

static void
other_texts_are_no_times(void **arg)
{
	static const char *const texts[] = { "", "d", "-1d", "5x", "5dd", "5 d",
		"12345678901" };

	(void)arg;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(postfix_seconds(texts[i], 'd'), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_read_as_in_main_cf),
		cmocka_unit_test(other_texts_are_no_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
