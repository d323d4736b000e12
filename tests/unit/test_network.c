/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/network.h"

static void
expect(const char *typed, const char *canonical)
{
	char text[NETWORK_TEXT_SIZE];
	struct network network;
	const char *why;

	if (!network_parse(typed, &network, &why))
		fail_msg("%s: %s", typed, why);
	assert_string_equal(network_text(&network, text), canonical);
}

static void
network_has_one_canonical_text(void **arg)
{
	(void)arg;
	expect("192.0.2.0/24", "192.0.2.0/24");
	expect("192.0.2.1", "192.0.2.1/32");
	expect("0.0.0.0/0", "0.0.0.0/0");
	expect("128.0.0.0/1", "128.0.0.0/1");
	expect("2001:DB8:0:0::/32", "2001:db8::/32");
	expect("::1", "::1/128");
	expect("::/0", "::/0");
	expect("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127",
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127");
}

static void
ipv4_mapped_into_ipv6_is_ipv4(void **arg)
{
	(void)arg;
	expect("::ffff:192.0.2.1", "192.0.2.1/32");
	expect("::ffff:192.0.2.0/120", "192.0.2.0/24");
	expect("::ffff:0:0/96", "0.0.0.0/0");
	/* Wider than all of IPv4 is a network of IPv6. */
	expect("::fffe:0:0/95", "::fffe:0:0/95");
	expect("::192.0.2.1", "::192.0.2.1/128");
}

static void
what_is_no_network_is_refused(void **arg)
{
	static const char *const bad[] = { "", "/", "/8", "example.org", "10",
		"10.0.0", "10.0.0.0.0", "010.0.0.0", "256.0.0.0", " 10.0.0.0",
		"10.0.0.0 ", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1",
		"10.0.0.0/+8", "10.0.0.0/08", "10.0.0.0/8x", "10.0.0.0/8/8",
		"10.0.0.0/99999999999999999999", "10.0.0.0/255.0.0.0", "[::1]",
		"::1%lo", "::/129", ":::", "1:2:3:4:5:6:7:8:9", "10.0.0.1/8",
		"10.128.0.0/8", "2001:db8::1/32", "::1/127",
		"::ffff:192.0.2.1/120" };
	struct network network;
	const char *why;

	(void)arg;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why = NULL;
		if (network_parse(bad[i], &network, &why))
			fail_msg("\"%s\" was taken", bad[i]);
		assert_non_null(why);
	}
}

/* Is `address` in `typed`, by widening as a user of network.h does? */
static int
holds(const char *typed, const char *address)
{
	char wanted[NETWORK_TEXT_SIZE], text[NETWORK_TEXT_SIZE];
	struct network network;
	const char *why;

	assert_true(network_parse(typed, &network, &why));
	network_text(&network, wanted);
	assert_true(network_of_address(address, &network));
	do
		if (strcmp(network_text(&network, text), wanted) == 0)
			return 1;
	while (network_widen(&network));
	return 0;
}

static void
address_is_in_the_networks_around_it_only(void **arg)
{
	(void)arg;
	assert_true(holds("192.0.2.0/24", "192.0.2.255"));
	assert_false(holds("192.0.2.0/24", "192.0.3.0"));
	assert_false(holds("192.0.2.0/24", "192.0.1.255"));
	assert_true(holds("192.0.2.128/25", "192.0.2.128"));
	assert_false(holds("192.0.2.128/25", "192.0.2.127"));
	assert_true(holds("192.0.2.7", "192.0.2.7"));
	assert_false(holds("192.0.2.7", "192.0.2.6"));
	assert_true(holds("0.0.0.0/0", "255.255.255.255"));
	assert_true(holds("2001:db8::/33", "2001:db8:7fff::1"));
	assert_false(holds("2001:db8::/33", "2001:db8:8000::1"));
	assert_true(holds("fe80::/10", "fe80::1%eth0"));
}

static void
families_are_apart_but_mapped_addresses_are_ipv4(void **arg)
{
	(void)arg;
	assert_true(holds("192.0.2.0/24", "::ffff:192.0.2.9"));
	assert_true(holds("::ffff:192.0.2.0/120", "192.0.2.9"));
	assert_false(holds("::/0", "192.0.2.9"));
	assert_false(holds("::/0", "::ffff:192.0.2.9"));
	assert_false(holds("0.0.0.0/0", "::1"));
}

static void
what_is_no_address_is_in_no_network(void **arg)
{
	struct network network;

	(void)arg;
	assert_false(network_of_address("unknown", &network));
	assert_false(network_of_address("", &network));
	assert_false(network_of_address("192.0.2.0/24", &network));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(network_has_one_canonical_text),
		cmocka_unit_test(ipv4_mapped_into_ipv6_is_ipv4),
		cmocka_unit_test(what_is_no_network_is_refused),
		cmocka_unit_test(address_is_in_the_networks_around_it_only),
		cmocka_unit_test(
		    families_are_apart_but_mapped_addresses_are_ipv4),
		cmocka_unit_test(what_is_no_address_is_in_no_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
