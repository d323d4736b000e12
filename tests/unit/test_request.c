/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "etrn-trigger/request.h"

#define HEAD "request=smtpd_access_policy\nprotocol_state=ETRN\n"
#define WHO  "client_address=192.0.2.1\n"
#define NODE "etrn_domain=example.org\n"

static int
make(void **arg)
{
	*arg = calloc(1, sizeof(struct request));
	return *arg == NULL ? -1 : 0;
}

static int
drop(void **arg)
{
	free(*arg);
	return 0;
}

/* How many requests the bytes end. */
static int
feed(struct request *request, const char *bytes, size_t len)
{
	int ends = 0;

	for (size_t i = 0; i < len; i++)
		ends += request_read(request, bytes[i]);
	return ends;
}

static void
expect_sound(struct request *request, const char *text)
{
	request_clear(request);
	assert_int_equal(feed(request, text, strlen(text)), 1);
	if (request->fault != NULL)
		fail_msg("%s in:\n%s", request->fault, text);
}

static void
expect_fault(struct request *request, const char *text, const char *fault)
{
	request_clear(request);
	assert_int_equal(feed(request, text, strlen(text)), 1);
	if (request->fault == NULL)
		fail_msg("nothing wrong with:\n%s", text);
	assert_string_equal(request->fault, fault);
}

static void
attributes_of_an_etrn_are_kept_and_others_ignored(void **arg)
{
	struct request *request = *arg;

	expect_sound(request,
	    HEAD "helo_name=a=b\nqueue_id=\n" WHO "etrn_domain=Example.ORG\n"
		 "sasl_username=carol\nsasl_username2=eve\n"
		 "ccert_fingerprint=AA:BB\n\n");
	assert_string_equal(request->values[REQUEST_NODE], "Example.ORG");
	assert_string_equal(request->values[REQUEST_ADDRESS], "192.0.2.1");
	assert_string_equal(request->values[REQUEST_LOGIN], "carol");
	assert_string_equal(request->values[REQUEST_FINGERPRINT], "AA:BB");
}

static void
a_value_may_have_an_equals_sign(void **arg)
{
	struct request *request = *arg;

	expect_sound(request, HEAD WHO NODE "sasl_username=a=b\n\n");
	assert_string_equal(request->values[REQUEST_LOGIN], "a=b");
}

static void
a_second_request_has_nothing_of_the_first(void **arg)
{
	struct request *request = *arg;

	expect_sound(request, HEAD WHO NODE "sasl_username=carol\n\n");
	expect_sound(request, HEAD WHO NODE "\n");
	assert_string_equal(request->values[REQUEST_LOGIN], "");
	expect_fault(request, "junk\n\n", "a line that is no attribute");
	expect_sound(request, HEAD WHO NODE "\n");
}

static void
missing_attributes_are_faults(void **arg)
{
	struct request *request = *arg;

	expect_fault(request, "\n", "not request=smtpd_access_policy");
	expect_fault(request, "protocol_state=ETRN\n" WHO NODE "\n",
	    "not request=smtpd_access_policy");
	expect_fault(request, "request=smtpd_access_policy\n" WHO NODE "\n",
	    "not protocol_state=ETRN");
	expect_fault(request, HEAD WHO "\n", "no etrn_domain");
	expect_fault(request, HEAD WHO "etrn_domain=\n\n", "no etrn_domain");
	expect_fault(request, HEAD NODE "\n", "no client_address");
	expect_fault(
	    request, HEAD NODE "client_address=\n\n", "no client_address");
}

static void
other_requests_and_states_are_faults(void **arg)
{
	struct request *request = *arg;

	expect_fault(request,
	    "request=other\nprotocol_state=ETRN\n" WHO NODE "\n",
	    "not request=smtpd_access_policy");
	expect_fault(request,
	    "request=smtpd_access_policy\nprotocol_state=RCPT\n" WHO NODE "\n",
	    "not protocol_state=ETRN");
}

static void
doubled_attributes_are_faults_though_they_agree(void **arg)
{
	struct request *request = *arg;

	expect_fault(request, HEAD WHO WHO NODE "\n", "an attribute twice");
	expect_fault(request, HEAD WHO NODE NODE "\n", "an attribute twice");
	expect_fault(request, HEAD HEAD WHO NODE "\n", "an attribute twice");
	expect_fault(request,
	    HEAD WHO NODE "sasl_username=\nsasl_username=\n\n",
	    "an attribute twice");
	expect_sound(request, HEAD WHO NODE "size=1\nsize=2\n\n");
}

static void
lines_that_are_no_attributes_are_faults(void **arg)
{
	struct request *request = *arg;

	expect_fault(
	    request, HEAD WHO NODE "junk\n\n", "a line that is no attribute");
	expect_fault(
	    request, HEAD WHO NODE "=value\n\n", "a line that is no attribute");
	expect_fault(
	    request, HEAD WHO NODE " \n\n", "a line that is no attribute");
	expect_fault(
	    request, HEAD WHO NODE "\r\n\n", "a line that is no attribute");
}

/* It would hide what follows it from string functions. */
static void
a_nul_anywhere_is_a_fault(void **arg)
{
	static const char text[] =
	    HEAD WHO "etrn_domain=example.org\0.evil\n\n";
	static const char alone[] = "\0\n\n";
	struct request *request = *arg;

	assert_int_equal(feed(request, text, sizeof(text) - 1), 1);
	assert_string_equal(request->fault, "a NUL");
	request_clear(request);
	assert_int_equal(feed(request, alone, sizeof(alone) - 1), 1);
	assert_string_equal(request->fault, "a NUL");
}

/* A sound request whose attribute `name` has so many bytes in its line. */
static char *
with_line(const char *name, size_t len)
{
	const size_t before = strlen(HEAD WHO NODE);
	char *text = malloc(before + len + 3);

	strcpy(text, HEAD WHO NODE);
	memset(text + before, 'x', len);
	memcpy(text + before, name, strlen(name));
	strcpy(text + before + len, "\n\n");
	return text;
}

static void
a_line_that_is_too_long_is_a_fault(void **arg)
{
	struct request *request = *arg;
	char *text;

	text = with_line("sasl_username=", REQUEST_LINE_SIZE - 1);
	expect_sound(request, text);
	assert_int_equal(strlen(request->values[REQUEST_LOGIN]),
	    REQUEST_LINE_SIZE - 1 - strlen("sasl_username="));
	free(text);

	text = with_line("sasl_username=", REQUEST_LINE_SIZE);
	expect_fault(request, text, "a line that is too long");
	free(text);

	text = with_line("unknown=", 10 * 1024);
	expect_fault(request, text, "a line that is too long");
	free(text);
}

static void
what_has_begun_is_known(void **arg)
{
	struct request *request = *arg;

	assert_false(request->begun);
	assert_int_equal(feed(request, "r", 1), 0);
	assert_true(request->begun);
	assert_int_equal(feed(request, "=1\n", 3), 0);
	assert_true(request->begun);
	request_clear(request);
	assert_false(request->begun);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    attributes_of_an_etrn_are_kept_and_others_ignored, make,
		    drop),
		cmocka_unit_test_setup_teardown(
		    a_value_may_have_an_equals_sign, make, drop),
		cmocka_unit_test_setup_teardown(
		    a_second_request_has_nothing_of_the_first, make, drop),
		cmocka_unit_test_setup_teardown(
		    missing_attributes_are_faults, make, drop),
		cmocka_unit_test_setup_teardown(
		    other_requests_and_states_are_faults, make, drop),
		cmocka_unit_test_setup_teardown(
		    doubled_attributes_are_faults_though_they_agree, make,
		    drop),
		cmocka_unit_test_setup_teardown(
		    lines_that_are_no_attributes_are_faults, make, drop),
		cmocka_unit_test_setup_teardown(
		    a_nul_anywhere_is_a_fault, make, drop),
		cmocka_unit_test_setup_teardown(
		    a_line_that_is_too_long_is_a_fault, make, drop),
		cmocka_unit_test_setup_teardown(
		    what_has_begun_is_known, make, drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
