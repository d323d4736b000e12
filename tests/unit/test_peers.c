/* SPDX-License-Identifier: ISC */
/* The clock and the log are the test's own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "../../odmrd/peers.h"
#include "../../odmrd/server.h"
#include "log.h"

static int64_t now_ms;
static unsigned logged;
static char last_line[256];

int64_t
loop_now_ms(void)
{
	return now_ms;
}

void
log_warning(const char *id, const char *fmt, ...)
{
	va_list ap;

	assert_null(id);
	va_start(ap, fmt);
	vsnprintf(last_line, sizeof(last_line), fmt, ap);
	va_end(ap);
	logged++;
}

static struct conf conf;
static struct server server;

static int
set_up(void **state)
{
	conf = (struct conf) {
		.session_limit = 100000,
		.session_limit_per_address = 2,
		.auth_failure_limit = 8,
		.auth_failure_time = 600,
		.auth_failure_delay = 1,
	};
	server.conf = &conf;
	server.peers = peers_new(&server);
	now_ms = 1000000;
	logged = 0;
	*state = server.peers;
	return server.peers == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
	(void)state;
	peers_free(&server.peers);
	return 0;
}

static struct peer *
admit(const char *address)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	const void *addr = &in;

	if (inet_pton(AF_INET, address, &in.sin_addr) != 1) {
		assert_int_equal(
		    inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
		addr = &in6;
	}
	return peers_admit(server.peers, addr, address);
}

static struct peer *
must_admit(const char *address)
{
	struct peer *peer = admit(address);

	if (peer == NULL)
		fail_msg("%s was refused: %s", address, last_line);
	return peer;
}

static void
fail_auth(struct peer *peer, int times)
{
	while (times-- > 0)
		peer_auth_failed(peer);
}

static void
ipv6_addresses_of_one_64_count_together(void **state)
{
	(void)state;
	must_admit("2001:db8:1:2::1");
	must_admit("2001:db8:1:2:ffff::9");
	assert_null(admit("2001:db8:1:2:3::3"));
	must_admit("2001:db8:1:3::1");
}

static void
ipv4_addresses_count_one_by_one(void **state)
{
	(void)state;
	must_admit("192.0.2.1");
	must_admit("192.0.2.1");
	assert_null(admit("192.0.2.1"));
	must_admit("192.0.2.2");
	assert_null(admit("::ffff:192.0.2.1"));
	must_admit("::ffff:192.0.2.2");
	assert_null(admit("192.0.2.2"));
}

static void
place_of_one_who_left_is_free(void **state)
{
	struct peer *peer;

	(void)state;
	conf.session_limit = 2;
	must_admit("192.0.2.1");
	peer = must_admit("192.0.2.2");
	assert_null(admit("192.0.2.3"));
	assert_string_equal(last_line,
	    "refused: connect client=192.0.2.3 count=1: session_limit");
	peer_leave(peer);
	must_admit("192.0.2.3");
}

static void
delay_doubles_up_to_a_bound(void **state)
{
	static const int64_t expected[] = { 0, 1, 2, 4, 8, 16, 16, 16 };
	struct peer *peer = must_admit("192.0.2.1");

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		assert_false(peer_is_barred(peer));
		assert_int_equal(peer_auth_failed(peer), expected[i] * 1000);
	}
	assert_true(peer_is_barred(peer));
}

static void
barred_address_is_refused_for_the_whole_time(void **state)
{
	struct peer *peer = must_admit("192.0.2.1");

	(void)state;
	fail_auth(peer, 7);
	now_ms += 599999;
	fail_auth(peer, 1);
	peer_leave(peer);
	now_ms += 599999;
	assert_null(admit("192.0.2.1"));
	assert_string_equal(last_line,
	    "refused: connect client=192.0.2.1 count=1: auth_failure_limit");
	now_ms += 1;
	must_admit("192.0.2.1");
}

static void
failures_are_forgiven_in_time(void **state)
{
	struct peer *peer = must_admit("192.0.2.1");

	(void)state;
	fail_auth(peer, 7);
	now_ms += 600000;
	assert_int_equal(peer_auth_failed(peer), 0);
	assert_false(peer_is_barred(peer));
}

/* The second peer's time began later, though it failed last. */
static void
time_of_each_peer_runs_from_its_own_first_failure(void **state)
{
	struct peer *a = must_admit("192.0.2.1"), *b;

	(void)state;
	fail_auth(a, 1);
	now_ms += 300000;
	b = must_admit("192.0.2.2");
	fail_auth(b, 1);
	fail_auth(a, 6);
	now_ms += 300000;
	must_admit("192.0.2.3");
	assert_int_equal(peer_auth_failed(a), 0);
	assert_int_equal(peer_auth_failed(b), 1000);
}

static void
failures_outlive_the_connection(void **state)
{
	struct peer *peer;

	(void)state;
	for (int i = 0; i < 8; i++) {
		peer = must_admit("192.0.2.1");
		fail_auth(peer, 1);
		peer_leave(peer);
	}
	assert_null(admit("192.0.2.1"));
}

/* An attacker with many networks: the oldest failures are forgiven early. */
static void
remembered_failures_are_bounded(void **state)
{
	char address[64];
	struct peer *peer;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(address, sizeof(address), "2001:db8:%x::1", i);
		peer = must_admit(address);
		fail_auth(peer, 8);
		peer_leave(peer);
	}
	must_admit("2001:db8:0::1");
	must_admit("2001:db8:600::1"); /* 1,536 of 20,000 */
	assert_null(admit("2001:db8:4000::1"));
	assert_null(admit("2001:db8:4e1f::1"));
}

static void
refusals_of_one_peer_make_few_lines(void **state)
{
	struct peer *a = must_admit("192.0.2.1"), *b = must_admit("192.0.2.1");

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_null(admit("192.0.2.1"));
	assert_int_equal(logged, 1);
	assert_string_equal(last_line,
	    "refused: connect client=192.0.2.1 count=1: "
	    "session_limit_per_address");
	now_ms += 10000;
	for (int i = 0; i < 1000; i++)
		assert_null(admit("192.0.2.1"));
	assert_int_equal(logged, 2);
	assert_string_equal(last_line,
	    "refused: connect client=192.0.2.1 count=1000: "
	    "session_limit_per_address");
	peer_leave(a);
	peer_leave(b);
	assert_int_equal(logged, 3);
	assert_string_equal(last_line,
	    "refused: connect network=192.0.2.1/32 count=999: as before");
}

static void
one_peers_refusals_do_not_hide_anothers(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		admit("192.0.2.1");
	for (int i = 0; i < 4; i++)
		admit("2001:db8::1");
	assert_int_equal(logged, 2);
	assert_string_equal(last_line,
	    "refused: connect client=2001:db8::1 count=1: "
	    "session_limit_per_address");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(ipv6_addresses_of_one_64_count_together),
		TEST(ipv4_addresses_count_one_by_one),
		TEST(place_of_one_who_left_is_free),
		TEST(delay_doubles_up_to_a_bound),
		TEST(barred_address_is_refused_for_the_whole_time),
		TEST(failures_are_forgiven_in_time),
		TEST(time_of_each_peer_runs_from_its_own_first_failure),
		TEST(failures_outlive_the_connection),
		TEST(remembered_failures_are_bounded),
		TEST(refusals_of_one_peer_make_few_lines),
		TEST(one_peers_refusals_do_not_hide_anothers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
