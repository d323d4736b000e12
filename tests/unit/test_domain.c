/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/domain.h"

static void
expect(const char *name, const char *canonical)
{
	char out[DOMAIN_SIZE];
	const char *why = "unset";

	if (!domain_canonical(name, strlen(name), out, &why))
		fail_msg("\"%s\" %s", name, why);
	assert_string_equal(out, canonical);
	assert_null(why);
}

static void
refuse_bytes(const char *name, size_t len, const char *reason)
{
	char out[DOMAIN_SIZE];
	const char *why = NULL;

	if (domain_canonical(name, len, out, &why))
		fail_msg("\"%s\" is taken as %s", name, out);
	assert_string_equal(why, reason);
	assert_false(domain_canonical(name, len, out, NULL));
}

static void
refuse(const char *name, const char *reason)
{
	refuse_bytes(name, strlen(name), reason);
}

static void
names_of_the_rfc_2645_form_are_taken_in_lower_case(void **state)
{
	(void)state;
	expect("example.org", "example.org");
	expect("EXAMPLE.Org", "example.org");
	expect("a.b", "a.b");
	expect("3com.example", "3com.example");
	expect("1.2.3.in-addr.arpa", "1.2.3.in-addr.arpa");
	expect("a--b.example", "a--b.example");
	expect("xn--bcher-kva.example", "xn--bcher-kva.example");
}

static void
names_of_another_form_are_refused_with_the_reason(void **state)
{
	const char *character =
	    "has a character that is no letter, digit or hyphen";
	const char *hyphen = "has a label that begins or ends with a hyphen";

	(void)state;
	refuse("", "is empty");
	refuse("localhost", "has only one label");
	refuse("example.org.", "has a trailing dot");
	refuse(".", "has a trailing dot");
	refuse(".example.org", "has an empty label");
	refuse("example..org", "has an empty label");
	refuse("-a.example", hyphen);
	refuse("a-.example", hyphen);
	refuse("a.-", hyphen);
	refuse("under_score.example", character);
	refuse("a b.example", character);
	refuse("example.org ", character);
	refuse("a/../b.example", character);
	refuse("*.example", character);
	refuse("[192.0.2.1]", character);
	refuse("192.0.2.1", "is a number");
	refuse("1.2", "is a number");
}

static void
a_label_has_63_octets_at_most(void **state)
{
	char name[80];

	(void)state;
	memset(name, 'a', sizeof(name));
	memcpy(name + 63, ".example", sizeof(".example"));
	expect(name, name);
	memset(name, 'a', sizeof(name));
	memcpy(name + 64, ".example", sizeof(".example"));
	refuse(name, "has a label of more than 63 octets");
}

static void
a_name_has_253_octets_at_most(void **state)
{
	char name[300];

	(void)state;
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = i % 50 == 49 ? '.' : 'x';
	name[253] = '\0';
	expect(name, name);
	name[253] = 'x';
	name[254] = '\0';
	refuse(name, "is longer than 253 octets");
}

static void
a_nul_within_the_name_does_not_cut_it_short(void **state)
{
	static const char name[] = "example.org\0.evil.test";

	(void)state;
	refuse_bytes(name, sizeof(name) - 1,
	    "has a character that is no letter, digit or hyphen");
}

/* The copy ends with the name, so that a sanitizer sees a byte too many. */
static void
a_name_need_not_be_terminated(void **state)
{
	char out[DOMAIN_SIZE];
	char *name = malloc(11);

	(void)state;
	assert_non_null(name);
	memcpy(name, "example.org", 11);
	assert_true(domain_canonical(name, 11, out, NULL));
	assert_string_equal(out, "example.org");
	assert_true(domain_canonical(name, 10, out, NULL));
	assert_string_equal(out, "example.or");
	free(name);
}

#define BUECHER "xn--bcher-kva.example"

static void
both_spellings_of_a_name_are_one(void **state)
{
	char out[DOMAIN_SIZE];

	(void)state;
	expect("b\303\274cher.example", BUECHER);
	expect("B\303\234CHER.Example", BUECHER);
	expect("bu\314\210cher.example", BUECHER); /* decomposed */
	expect("BU\314\210CHER.example", BUECHER);
	expect("XN--Bcher-KVA.example", BUECHER);
	expect("sub.b\303\274cher.example", "sub." BUECHER);
	expect("b\303\274cher.xn--p1ai", "xn--bcher-kva.xn--p1ai");
	/* Sharp s as IDNA 2008 has it. */
	expect("stra\303\237e.example", "xn--strae-oqa.example");
	assert_true(hostname_canonical(
	    "b\303\234ro", strlen("b\303\234ro"), out, NULL));
	assert_string_equal(out, "xn--bro-hoa");
}

static void
what_is_no_internationalised_name_is_refused_with_the_reason(void **state)
{
	static const char no_idn[] = "is no internationalised name";
	char name[5000];

	(void)state;
	refuse("b\374cher.example", "is neither ASCII nor UTF-8");
	refuse("b\303\274cher", "has only one label");
	refuse("b\303\274..example", "has an empty label");
	refuse("b\303\274cher.example.", "has a trailing dot");
	refuse("b\303\274 cher.example", no_idn);
	refuse("b\303\274\n.example", no_idn);
	refuse("\342\235\244.example", no_idn); /* a heart */
	refuse("\314\210u.example", no_idn);    /* begins with a mark */
	refuse("_\303\274.example",
	    "has a character that is no letter, digit or hyphen");
	refuse_bytes("b\303\274.org\0.x", 10, no_idn);
	for (size_t i = 0; i < sizeof(name) - 2; i += 2)
		memcpy(name + i, "\303\274", 3);
	refuse(name, "is longer than 253 octets");
	name[150] = '\0';
	refuse(strcat(name, ".example"), "has a label of more than 63 octets");
}

static void
an_operator_may_type_an_internationalised_name(void **state)
{
	char out[DOMAIN_SIZE];
	const char *why;

	(void)state;
	assert_true(domain_from_operator("Example.ORG", out, &why));
	assert_string_equal(out, "example.org");
	assert_true(domain_from_operator("B\303\274cher.example", out, &why));
	assert_string_equal(out, "xn--bcher-kva.example");
	/* A capital umlaut, and sharp s as IDNA 2008 has it. */
	assert_true(domain_from_operator("B\303\234CHER.example", out, &why));
	assert_string_equal(out, "xn--bcher-kva.example");
	assert_true(domain_from_operator("stra\303\237e.example", out, &why));
	assert_string_equal(out, "xn--strae-oqa.example");
}

static void
a_false_internationalised_name_is_refused(void **state)
{
	char out[DOMAIN_SIZE];
	const char *why = NULL;

	(void)state;
	assert_false(domain_from_operator("b\374cher.example", out, &why));
	assert_string_equal(why, "is neither ASCII nor UTF-8");
	assert_false(domain_from_operator("b\303\274cher", out, &why));
	assert_string_equal(why, "has only one label");
	assert_false(domain_from_operator("\342\230\203_.example", out, NULL));
	assert_false(domain_from_operator("", out, &why));
	assert_string_equal(why, "is empty");
	/* Postfix flushes neither; but a symbol it does. */
	assert_false(domain_from_operator("xn--a.example", out, &why));
	assert_non_null(strstr(why, "hyphens at a label's third"));
	assert_false(domain_from_operator("ab--c.example", out, &why));
	assert_non_null(strstr(why, "hyphens at a label's third"));
	assert_true(domain_from_operator("xn--i-7iq.ws", out, &why));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    names_of_the_rfc_2645_form_are_taken_in_lower_case),
		cmocka_unit_test(
		    names_of_another_form_are_refused_with_the_reason),
		cmocka_unit_test(a_label_has_63_octets_at_most),
		cmocka_unit_test(a_name_has_253_octets_at_most),
		cmocka_unit_test(a_nul_within_the_name_does_not_cut_it_short),
		cmocka_unit_test(a_name_need_not_be_terminated),
		cmocka_unit_test(both_spellings_of_a_name_are_one),
		cmocka_unit_test(
		    what_is_no_internationalised_name_is_refused_with_the_reason),
		cmocka_unit_test(
		    an_operator_may_type_an_internationalised_name),
		cmocka_unit_test(a_false_internationalised_name_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
