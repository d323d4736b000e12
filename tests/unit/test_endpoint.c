/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/endpoint.h"

static struct endpoint endpoint;

static void
expect(const char *text, const char *host, const char *port, bool brackets)
{
	const char *fault = endpoint_parse(&endpoint, text);

	if (fault != NULL)
		fail_msg("%s %s", text, fault);
	assert_string_equal(endpoint.host, host);
	assert_string_equal(endpoint.port, port);
	assert_int_equal(endpoint.brackets, brackets);
}

static void
refuse(const char *text, const char *why)
{
	const char *fault = endpoint_parse(&endpoint, text);

	if (fault == NULL)
		fail_msg("%s: taken as %s", text, endpoint.host);
	assert_string_equal(fault, why);
}

static void
every_form_is_taken_apart(void **state)
{
	(void)state;
	expect("mail.example", "mail.example", "", false);
	expect("localhost:2525", "localhost", "2525", false);
	expect("[mail.example]", "mail.example", "", true);
	expect("[192.0.2.1]:1", "192.0.2.1", "1", true);
	expect("[2001:db8::1]:65535", "2001:db8::1", "65535", true);
}

static void
an_address_gets_its_brackets(void **state)
{
	(void)state;
	expect("192.0.2.1", "192.0.2.1", "", true);
	expect("192.0.2.1:25", "192.0.2.1", "25", true);
}

static void
a_host_has_one_form(void **state)
{
	(void)state;
	expect("MAIL_1.Example:25", "mail_1.example", "25", false);
	expect("[m\xc3\xa4il.example]", "xn--mil-qla.example", "", true);
}

static void
what_is_wrong_is_told(void **state)
{
	static const char host[] = "has no valid host name or address";
	static const char port[] = "has no valid port after its host";
	char text[DOMAIN_SIZE + 1];

	(void)state;
	refuse("", "has no host");
	refuse(":25", "has no host");
	refuse("[]", "has no host");
	refuse("[mail.example", "lacks the closing bracket");
	refuse("2001:db8::1",
	    "is an address without brackets, as in [2001:db8::1]");
	refuse("mail.example]", host);
	refuse("mail example", host);
	refuse("300.0.2.1", host);
	refuse("[300.0.2.1]", host);
	refuse("mail..example", host);
	refuse("-mail.example", host);
	refuse("mail.example, smtp:evil.example", port);
	refuse("[mail.example]25", port);
	refuse("mail.example:", port);
	refuse("mail.example:0", port);
	refuse("mail.example:65536", port);
	refuse("mail.example:000025", port);
	refuse("mail.example:4294967321", port);
	refuse("mail.example:+25", port);
	refuse("mail.example:smtp", port);
	refuse("mail.example:25:25", port);
	memset(text, 'a', DOMAIN_SIZE);
	text[DOMAIN_SIZE] = '\0';
	refuse(text, "is longer than 253 octets");
}

static void
the_parts_may_be_anything(void **state)
{
	(void)state;
	assert_null(endpoint_split(&endpoint, "[*]:smtp"));
	assert_string_equal(endpoint.host, "*");
	assert_string_equal(endpoint.port, "smtp");
	assert_true(endpoint.brackets);
}

static void
the_text_is_what_transport_tables_have(void **state)
{
	static const char *const texts[] = { "a.example", "a.example:25",
		"[a.example]", "[2001:db8::1]:2525" };
	char text[ENDPOINT_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_null(endpoint_parse(&endpoint, texts[i]));
		assert_string_equal(endpoint_text(&endpoint, text), texts[i]);
	}
}

static void
sockets_of_milters_have_the_port_first(void **state)
{
	(void)state;
	assert_string_equal(endpoint_socket(&endpoint, "unix:/a:b"), "/a:b");
	assert_string_equal(endpoint_socket(&endpoint, "local:/a"), "/a");
	assert_null(endpoint_socket(&endpoint, "inet:8891@localhost"));
	assert_string_equal(endpoint.host, "localhost");
	assert_string_equal(endpoint.port, "8891");
	assert_null(endpoint_socket(&endpoint, "inet6:8891@[::1]"));
	assert_string_equal(endpoint.host, "::1");
	assert_null(endpoint_socket(&endpoint, "inet:8891"));
	assert_string_equal(endpoint.host, "");
	assert_string_equal(endpoint.port, "8891");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_is_taken_apart),
		cmocka_unit_test(an_address_gets_its_brackets),
		cmocka_unit_test(a_host_has_one_form),
		cmocka_unit_test(what_is_wrong_is_told),
		cmocka_unit_test(the_parts_may_be_anything),
		cmocka_unit_test(the_text_is_what_transport_tables_have),
		cmocka_unit_test(sockets_of_milters_have_the_port_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
