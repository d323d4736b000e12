/* SPDX-License-Identifier: ISC */
/*
 * How a domain is written in UTF-8.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/spelling.h"

static void
assert_text(const char *text, const char *expected)
{
	if (expected == NULL)
		assert_null(text);
	else {
		assert_non_null(text);
		assert_string_equal(text, expected);
	}
}

static void
expect(const char *name, const char *unicode, const char *composed,
    const char *decomposed, const char *capitals)
{
	struct spelling spelling;

	assert_true(spelling_find(&spelling, name));
	assert_text(spelling.unicode, unicode);
	assert_text(spelling.keys[COMPOSED], composed);
	assert_text(spelling.keys[DECOMPOSED], decomposed);
	assert_text(spelling.keys[CAPITALS], capitals);
	spelling_free(&spelling);
}

static void
name_in_ascii_has_no_other_spelling(void **arg)
{
	(void)arg;
	expect("example.org", NULL, NULL, NULL, NULL);
	expect("customer", NULL, NULL, NULL, NULL);
	expect("queue_1", NULL, NULL, NULL, NULL);
}

static void
keys_are_what_postfix_looks_up(void **arg)
{
	(void)arg;
	expect("xn--bcher-kva.example", "b\303\274cher.example",
	    "b\303\274cher.example", "bu\314\210cher.example",
	    "b\303\234cher.example");
	expect("sub.xn--bcher-kva.example", "sub.b\303\274cher.example",
	    "sub.b\303\274cher.example", "sub.bu\314\210cher.example",
	    "sub.b\303\234cher.example");
	expect("xn--bro-hoa", "b\303\274ro", "b\303\274ro", "bu\314\210ro",
	    "b\303\234ro");
	/* An iota with two marks, which folding takes apart. */
	expect("xn--owa.example", "\316\220.example",
	    "\316\271\314\210\314\201.example",
	    "\316\271\314\210\314\201.example",
	    "\316\231\314\210\314\201.example");
}

/* "ss" and another sigma. */
static void
what_means_another_domain_as_well_is_no_key(void **arg)
{
	(void)arg;
	expect(
	    "xn--strae-oqa.example", "stra\303\237e.example", NULL, NULL, NULL);
	expect("xn--nxasmm1c.example",
	    "\316\262\317\214\316\273\316\277\317\202.example", NULL, NULL,
	    NULL);
}

static void
what_only_looks_like_an_a_label_has_no_other_spelling(void **arg)
{
	(void)arg;
	expect("xn--a.example", NULL, NULL, NULL, NULL);
	expect("xn--.example", NULL, NULL, NULL, NULL);
	expect("xn--i-7iq.ws", NULL, NULL, NULL, NULL); /* a heart */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_in_ascii_has_no_other_spelling),
		cmocka_unit_test(keys_are_what_postfix_looks_up),
		cmocka_unit_test(what_means_another_domain_as_well_is_no_key),
		cmocka_unit_test(
		    what_only_looks_like_an_a_label_has_no_other_spelling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
