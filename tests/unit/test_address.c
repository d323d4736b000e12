/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <netinet/in.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/address.h"

static char fault[256];

static void
expect(const char **list, int family, const char *host, int port)
{
	struct address address;
	char text[INET6_ADDRSTRLEN];
	const struct sockaddr_in *v4 = (void *)&address.addr;
	const struct sockaddr_in6 *v6 = (void *)&address.addr;

	if (address_next(list, &address, fault, sizeof(fault)) != 1)
		fail_msg("%s", fault);
	assert_int_equal(address.addr.ss_family, family);
	inet_ntop(family,
	    family == AF_INET ? (const void *)&v4->sin_addr
			      : (const void *)&v6->sin6_addr,
	    text, sizeof(text));
	assert_string_equal(text, host);
	assert_int_equal(
	    ntohs(family == AF_INET ? v4->sin_port : v6->sin6_port), port);
	assert_int_equal(
	    address.len, family == AF_INET ? sizeof(*v4) : sizeof(*v6));
}

static void
expect_end(const char **list)
{
	struct address address;

	assert_int_equal(address_next(list, &address, fault, sizeof(fault)), 0);
}

static void
one(const char *list, int family, const char *host, int port)
{
	expect(&list, family, host, port);
	expect_end(&list);
}

static void
refuse(const char *list)
{
	struct address address;
	const char *at = list;

	fault[0] = '\0';
	if (address_next(&at, &address, fault, sizeof(fault)) != -1)
		fail_msg("\"%s\" is taken", list);
	assert_non_null(strstr(fault, "is no address such as"));
}

static void
reads_ipv4(void **state)
{
	(void)state;
	one("192.0.2.1:366", AF_INET, "192.0.2.1", 366);
	one("127.0.0.1:0", AF_INET, "127.0.0.1", 0);
	one("*:366", AF_INET, "0.0.0.0", 366);
	one("0.0.0.0:65535", AF_INET, "0.0.0.0", 65535);
}

static void
reads_ipv6_in_brackets(void **state)
{
	(void)state;
	one("[2001:db8::1]:366", AF_INET6, "2001:db8::1", 366);
	one("[::]:366", AF_INET6, "::", 366);
	one("[::1]:465", AF_INET6, "::1", 465);
}

static void
reads_lists(void **state)
{
	const char *list = " *:366,  [::]:366\t192.0.2.1:25,";

	(void)state;
	expect(&list, AF_INET, "0.0.0.0", 366);
	expect(&list, AF_INET6, "::", 366);
	expect(&list, AF_INET, "192.0.2.1", 25);
	expect_end(&list);
	list = "";
	expect_end(&list);
	list = " , \t";
	expect_end(&list);
}

static void
keeps_the_text(void **state)
{
	const char *list = "[::1]:366, *:25";
	struct address address;

	(void)state;
	assert_int_equal(
	    address_next(&list, &address, fault, sizeof(fault)), 1);
	assert_string_equal(address.text, "[::1]:366");
}

static void
refuses_what_is_no_address(void **state)
{
	(void)state;
	refuse("366");
	refuse(":");
	refuse("192.0.2.1");
	refuse("192.0.2.1:");
	refuse("192.0.2.1:smtp");
	refuse("192.0.2.256:366");
	refuse("localhost:366");
	refuse("example.org:366");
	refuse("2001:db8::1:366");
	refuse("::1");
	refuse("[::1]");
	refuse("[::1:366");
	refuse("[::1]366");
	refuse("[]:366");
	refuse("**:366");
	refuse("unix:/run/socket");
}

/* An empty host would listen everywhere, a port beyond the last on another. */
static void
refuses_what_would_mean_something_else(void **state)
{
	(void)state;
	refuse(":366");
	refuse("127.0.0.1:65536");
	refuse("127.0.0.1:65902");
	refuse("127.0.0.1:-1");
	refuse("[127.0.0.1]:366");
	refuse("[*]:366");
}

static void
names_what_it_refuses_and_cuts_it(void **state)
{
	char list[500];

	(void)state;
	refuse("localhost:366, *:25");
	assert_non_null(strstr(fault, "\"localhost:366\""));
	memset(list, '1', sizeof(list));
	list[sizeof(list) - 1] = '\0';
	refuse(list);
	assert_true(strlen(fault) < 160);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_ipv4),
		cmocka_unit_test(reads_ipv6_in_brackets),
		cmocka_unit_test(reads_lists),
		cmocka_unit_test(keeps_the_text),
		cmocka_unit_test(refuses_what_is_no_address),
		cmocka_unit_test(refuses_what_would_mean_something_else),
		cmocka_unit_test(names_what_it_refuses_and_cuts_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
