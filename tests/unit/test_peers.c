/* SPDX-License-Identifier: ISC */
/* The clock, the log and the links are the test's own. */
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

#include "odmrd/net/link.h"
#include "odmrd/client/peers_internal.h"
#include "odmrd/jobs/server.h"
#include "lib/log.h"

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

/* A link is its guest. It leaves when it is cut, the daemon's some later. */
void
link_when_gone(struct link *link, loop_call *gone, void *arg)
{
	assert_ptr_equal(link, arg);
	assert_ptr_equal(gone, guest_leave);
}

static struct guest *cut;

void
link_cut(struct link *link, const char *why)
{
	(void)why;
	assert_null(cut);
	cut = (struct guest *)link;
}

/* Who is there: all leave before the peers are freed. */
static struct guest *present[256];
static size_t present_count;

static void
leave(struct guest *guest)
{
	size_t i = 0;

	while (present[i] != guest)
		assert_true(++i < present_count);
	present[i] = present[--present_count];
	guest_leave(guest);
}

static struct conf conf;
static struct server server;

static int
set_up(void **state)
{
	conf = (struct conf) {
		.session_limit = 100000,
		.session_limit_per_address = 2,
		.stranger_share = 100,
		.auth_failure_limit = 8,
		.auth_failure_time = 600,
		.auth_failure_delay = 1,
	};
	server.conf = &conf;
	server.peers = peers_new(&server);
	now_ms = 1000000;
	logged = 0;
	cut = NULL;
	*state = server.peers;
	return server.peers == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
	(void)state;
	while (present_count > 0)
		leave(present[0]);
	peers_free(&server.peers);
	return 0;
}

static struct guest *
admit(const char *address)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	const void *addr = &in;
	struct guest *guest;

	if (inet_pton(AF_INET, address, &in.sin_addr) != 1) {
		assert_int_equal(
		    inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
		addr = &in6;
	}
	guest = peers_admit(server.peers, addr, address);
	if (guest == NULL)
		return NULL;
	assert_true(present_count < sizeof(present) / sizeof(present[0]));
	present[present_count++] = guest;
	guest_settle(guest, (struct link *)guest);
	return guest;
}

static struct guest *
must_admit(const char *address)
{
	struct guest *peer = admit(address);

	if (peer == NULL)
		fail_msg("%s was refused: %s", address, last_line);
	return peer;
}

/* With the numbers `from` to `to` between the halves of the address. */
static void
must_admit_many(const char *head, int from, int to, const char *tail)
{
	char address[64];

	for (int i = from; i <= to; i++) {
		snprintf(address, sizeof(address), "%s%d%s", head, i, tail);
		must_admit(address);
	}
}

static void
fail_auth(struct guest *peer, int times)
{
	while (times-- > 0)
		guest_auth_failed(peer);
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

/* A hoster's neighbours share them, so they may do more than a /64. */
static void
ipv6_addresses_of_one_56_and_of_one_48_count_together_too(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		must_admit_many("2001:db8:1:", 0, 3, "::1");
	assert_null(admit("2001:db8:1:4::1"));
	assert_string_equal(last_line,
	    "refused: connect client=2001:db8:1:4::1 count=1: "
	    "session_limit_per_address of 2001:db8:1::/56");
	for (int i = 0; i < 2; i++) {
		must_admit_many("2001:db8:1:", 100, 103, "::1");
		must_admit_many("2001:db8:1:", 200, 203, "::1");
		must_admit_many("2001:db8:1:", 300, 303, "::1");
	}
	assert_null(admit("2001:db8:1:400::1"));
	assert_string_equal(last_line,
	    "refused: connect client=2001:db8:1:400::1 count=1: "
	    "session_limit_per_address of 2001:db8:1::/48");
	must_admit("2001:db8:2::1");
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
	struct guest *peer;

	(void)state;
	conf.session_limit = 2;
	guest_is_known(must_admit("192.0.2.1"), 1);
	peer = must_admit("192.0.2.2");
	guest_is_known(peer, 1);
	assert_null(admit("192.0.2.3"));
	assert_string_equal(last_line,
	    "refused: connect client=192.0.2.3 count=1: session_limit");
	leave(peer);
	must_admit("192.0.2.3");
}

static void
delay_doubles_up_to_a_bound(void **state)
{
	static const int64_t expected[] = { 0, 1, 2, 4, 8, 16, 16, 16 };
	struct guest *peer = must_admit("192.0.2.1");

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		assert_false(guest_is_barred(peer));
		assert_int_equal(guest_auth_failed(peer), expected[i] * 1000);
	}
	assert_true(guest_is_barred(peer));
}

static void
barred_address_is_refused_for_the_whole_time(void **state)
{
	struct guest *peer = must_admit("192.0.2.1");

	(void)state;
	fail_auth(peer, 7);
	now_ms += 599999;
	fail_auth(peer, 1);
	leave(peer);
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
	struct guest *peer = must_admit("192.0.2.1");

	(void)state;
	fail_auth(peer, 7);
	now_ms += 600000;
	assert_int_equal(guest_auth_failed(peer), 0);
	assert_false(guest_is_barred(peer));
}

/* The second peer's time began later, though it failed last. */
static void
time_of_each_peer_runs_from_its_own_first_failure(void **state)
{
	struct guest *a = must_admit("192.0.2.1"), *b;

	(void)state;
	fail_auth(a, 1);
	now_ms += 300000;
	b = must_admit("192.0.2.2");
	fail_auth(b, 1);
	fail_auth(a, 6);
	now_ms += 300000;
	must_admit("192.0.2.3");
	assert_int_equal(guest_auth_failed(a), 0);
	assert_int_equal(guest_auth_failed(b), 1000);
}

static void
failures_outlive_the_connection(void **state)
{
	struct guest *peer;

	(void)state;
	for (int i = 0; i < 8; i++) {
		peer = must_admit("192.0.2.1");
		fail_auth(peer, 1);
		leave(peer);
	}
	assert_null(admit("192.0.2.1"));
}

/* An attacker with many networks: the oldest failures are forgiven early. */
static void
remembered_failures_are_bounded(void **state)
{
	char address[64];
	struct guest *peer;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(address, sizeof(address), "2001:db8:%x::1", i);
		peer = must_admit(address);
		fail_auth(peer, 8);
		leave(peer);
	}
	must_admit("2001:db8:0::1");
	must_admit("2001:db8:600::1"); /* 1,536 of 20,000 */
	assert_null(admit("2001:db8:4000::1"));
	assert_null(admit("2001:db8:4e1f::1"));
}

static void
refusals_of_one_peer_make_few_lines(void **state)
{
	struct guest *a = must_admit("192.0.2.1"), *b = must_admit("192.0.2.1");

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
	leave(a);
	leave(b);
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

/* ---- strangers ---- */

static void
strangers_have_a_part_of_the_room_only(void **state)
{
	(void)state;
	conf.session_limit = 4;
	conf.stranger_share = 50;
	must_admit("192.0.2.1");
	must_admit("192.0.2.2");
	assert_null(cut);
	must_admit("192.0.2.3");
	assert_non_null(cut);
}

static void
who_has_logged_in_is_no_stranger_and_does_not_give_way(void **state)
{
	struct guest *known, *stranger;

	(void)state;
	conf.session_limit = 4;
	conf.stranger_share = 50;
	for (int i = 0; i < 2; i++) {
		known = must_admit("192.0.2.1");
		guest_is_known(known, 1);
		guest_is_known(known, 1);
	}
	stranger = must_admit("192.0.2.2");
	must_admit("192.0.2.3");
	must_admit("192.0.2.4");
	assert_ptr_equal(cut, stranger);
}

static void
oldest_stranger_of_the_greediest_network_gives_way(void **state)
{
	struct guest *customer, *first, *second;

	(void)state;
	conf.session_limit_per_address = 100;
	conf.session_limit = 10;
	customer = must_admit("192.0.2.1");
	first = must_admit("192.0.2.2");
	must_admit_many("192.0.2.", 3, 3, "");
	second = must_admit("192.0.2.2");
	for (int i = 0; i < 6; i++)
		must_admit("192.0.2.2");
	must_admit("192.0.2.4");
	assert_ptr_equal(cut, first);
	leave(first);
	cut = NULL;
	/* Nobody takes a place from those who have fewer. */
	assert_null(admit("192.0.2.2"));
	assert_null(cut);
	must_admit("192.0.2.3");
	assert_ptr_equal(cut, second);
	guest_is_known(customer, 1);
}

static void
one_48_takes_places_from_itself(void **state)
{
	(void)state;
	conf.session_limit = 10;
	must_admit("192.0.2.1");
	must_admit("2001:db8:2::1");
	must_admit_many("2001:db8:1:", 0, 7, "00::1");
	assert_null(cut);
	assert_null(admit("2001:db8:1:900::1"));
	assert_string_equal(last_line,
	    "refused: connect client=2001:db8:1:900::1 count=1: "
	    "session_limit");
	must_admit("192.0.2.2");
	assert_non_null(cut);
}

/* All have one: whoever logs in within so many connections gets in. */
static void
of_many_addresses_with_one_each_the_oldest_gives_way(void **state)
{
	struct guest *oldest = must_admit("192.0.2.1"), *next;

	(void)state;
	conf.session_limit = 20;
	next = must_admit("192.0.2.2");
	must_admit_many("192.0.2.", 3, 20, "");
	must_admit("192.0.2.21");
	assert_ptr_equal(cut, oldest);
	leave(oldest);
	cut = NULL;
	must_admit("192.0.2.22");
	assert_ptr_equal(cut, next);
}

/* ---- guesses ---- */

static int judged;

static void
judge(void *arg)
{
	(void)arg;
	judged++;
}

static void
no_more_guesses_are_judged_at_once_than_may_fail(void **state)
{
	struct guest *peer = must_admit("192.0.2.1");
	struct guest *other = must_admit("192.0.2.2");
	struct guess guesses[20] = { 0 }, others = { 0 };

	(void)state;
	judged = 0;
	fail_auth(peer, 3);
	for (int i = 0; i < 20; i++)
		guess_begin(&guesses[i], peer, false, judge, NULL);
	assert_int_equal(judged, 5);
	guess_begin(&others, other, false, judge, NULL);
	assert_int_equal(judged, 6);
	/* One was right, one is wrong, one is given up while it waits. */
	guess_end(&guesses[0]);
	assert_int_equal(judged, 7);
	fail_auth(peer, 1);
	guess_end(&guesses[1]);
	assert_int_equal(judged, 7);
	guess_end(&guesses[19]);
	assert_int_equal(judged, 7);
	for (int i = 2; i < 5; i++) {
		fail_auth(peer, 1);
		guess_end(&guesses[i]);
	}
	assert_int_equal(judged, 7);
	/* The last one: now all hear that they are barred. */
	fail_auth(peer, 1);
	guess_end(&guesses[5]);
	assert_true(guest_is_barred(peer));
	assert_int_equal(judged, 20);
	assert_false(guest_is_barred(other));
	for (int i = 0; i < 20; i++)
		guess_end(&guesses[i]);
	guess_end(&others);
	leave(peer);
	leave(other);
}

static void
guess_outlives_its_connection(void **state)
{
	struct guest *peer = must_admit("2001:db8::1");
	struct guess guess = { 0 };

	(void)state;
	guess_begin(&guess, peer, false, judge, NULL);
	leave(peer);
	guess_end(&guess);
}

/* ---- turns of the threads that hash ---- */

/* Who has had its turn: one letter each. */
static char turns[32];

static void
note_turn(void *letter)
{
	strlcat(turns, letter, sizeof(turns));
}

/* A guess at which a thread hashes, once it is its turn. */
static struct guess *
hash(struct guest *guest, const char *letter)
{
	static struct guess guesses[32];
	static size_t used;
	struct guess *guess = &guesses[used++ % 32];

	*guess = (struct guess) { 0 };
	guess_begin(guess, guest, true, note_turn, (void *)(uintptr_t)letter);
	return guess;
}

static void
networks_take_turns_to_be_hashed_for(void **state)
{
	struct guest *many = must_admit("2001:db8:1:1::1");
	struct guest *neighbour = must_admit("2001:db8:1:2::1");
	struct guest *one = must_admit("192.0.2.2");
	struct guest *other = must_admit("192.0.2.3");
	struct guess *guesses[8];

	(void)state;
	turns[0] = '\0';
	for (int i = 0; i < 4; i++)
		guesses[i] = hash(many, "m");
	guesses[4] = hash(neighbour, "n");
	guesses[5] = hash(one, "1");
	guesses[6] = hash(other, "2");
	guesses[7] = hash(one, "1");
	assert_string_equal(turns, "mm");
	guess_end(guesses[0]);
	guess_end(guesses[1]);
	assert_string_equal(turns, "mmm1");
	/* One gives up before it is its turn. */
	guess_end(guesses[3]);
	guess_end(guesses[2]);
	guess_end(guesses[5]);
	assert_string_equal(turns, "mmm12n");
	guess_end(guesses[6]);
	guess_end(guesses[4]);
	guess_end(guesses[7]);
	assert_string_equal(turns, "mmm12n1");
}

/* Eight guesses of a stranger, "s", and then eight from `address`, "k". */
static void
hash_behind_a_stranger(const char *address, struct guess *guesses[16])
{
	struct guest *known = must_admit(address);
	struct guest *stranger = must_admit("192.0.2.2");

	for (int i = 0; i < 8; i++)
		guesses[i] = hash(stranger, "s");
	for (int i = 8; i < 16; i++)
		guesses[i] = hash(known, "k");
}

static void
who_is_known_is_hashed_for_before_strangers(void **state)
{
	struct guest *known = must_admit("192.0.2.1");
	struct guess *guesses[16];

	(void)state;
	turns[0] = '\0';
	guest_is_known(known, 1);
	leave(known);
	/* It is the address that is remembered. */
	hash_behind_a_stranger("192.0.2.1", guesses);
	for (int i = 0; i < 2; i++)
		guess_end(guesses[i]);
	for (int i = 8; i < 12; i++)
		guess_end(guesses[i]);
	/* Some turns are for strangers all the same. */
	assert_string_equal(turns + 2, "kskkks");
	for (int i = 2; i < 16; i++)
		guess_end(guesses[i]);
}

/* An account fills what is remembered, and goes on. */
static void
known_addresses_of_one_account_make_no_other_ones_strangers(void **state)
{
	struct guest *known = must_admit("192.0.2.1"), *other;
	struct guess *guesses[16];
	char address[INET_ADDRSTRLEN];

	(void)state;
	turns[0] = '\0';
	guest_is_known(known, 2);
	leave(known);
	for (int i = 0; i < KNOWN_MAX + 100; i++) {
		snprintf(address, sizeof(address), "10.%d.%d.%d", i >> 16,
		    i >> 8 & 255, i & 255);
		other = must_admit(address);
		guest_is_known(other, 1);
		leave(other);
	}
	hash_behind_a_stranger("192.0.2.1", guesses);
	guess_end(guesses[0]);
	guess_end(guesses[1]);
	assert_string_equal(turns + 2, "ks");
	for (int i = 2; i < 16; i++)
		guess_end(guesses[i]);
}

static void
addresses_are_known_for_a_month(void **state)
{
	struct guest *known = must_admit("192.0.2.1");
	struct guest *stranger = must_admit("192.0.2.2");
	struct guess *guesses[4];

	(void)state;
	turns[0] = '\0';
	guest_is_known(known, 1);
	now_ms += INT64_C(31) * 86400 * 1000;
	must_admit("192.0.2.3");
	for (int i = 0; i < 3; i++)
		guesses[i] = hash(stranger, "s");
	guesses[3] = hash(known, "k");
	guess_end(guesses[0]);
	assert_string_equal(turns, "sss");
	for (int i = 1; i < 4; i++)
		guess_end(guesses[i]);
}

static void
failures_in_one_56_and_in_one_48_count_together_too(void **state)
{
	struct guest *peer;
	char address[64];

	(void)state;
	conf.session_limit_per_address = 100;
	for (int i = 0; i < 8; i++) {
		snprintf(address, sizeof(address), "2001:db8:1:%d::1", i);
		peer = must_admit(address);
		fail_auth(peer, 4);
		assert_true(guest_is_barred(peer) == (i == 7));
	}
	assert_null(admit("2001:db8:1:9::1"));
	assert_string_equal(last_line,
	    "refused: connect client=2001:db8:1:9::1 count=1: "
	    "auth_failure_limit of 2001:db8:1::/56");
	for (int i = 1; i < 4; i++)
		for (int j = 0; j < 8; j++) {
			snprintf(address, sizeof(address),
			    "2001:db8:1:%d0%d::1", i, j);
			fail_auth(must_admit(address), 4);
		}
	assert_null(admit("2001:db8:1:a00::1"));
	assert_string_equal(last_line,
	    "refused: connect client=2001:db8:1:a00::1 count=1: "
	    "auth_failure_limit of 2001:db8:1::/48");
	must_admit("2001:db8:2::1");
}

static void
login_is_slowed_up_to_a_bound_and_never_barred(void **state)
{
	static const int64_t expected[] = { 1, 2, 4, 8, 16, 16, 16 };

	(void)state;
	for (int i = 0; i < 8; i++) {
		assert_int_equal(peers_login_delay(server.peers, "user"), 0);
		peers_login_failed(server.peers, "user@a.test");
	}
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		assert_int_equal(peers_login_delay(server.peers, "A\\user"),
		    expected[i] * 1000);
		peers_login_failed(server.peers, "user");
	}
	assert_int_equal(peers_login_delay(server.peers, "another"), 0);
	now_ms += 600000;
	assert_int_equal(peers_login_delay(server.peers, "user"), 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(ipv6_addresses_of_one_64_count_together),
		TEST(ipv6_addresses_of_one_56_and_of_one_48_count_together_too),
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
		TEST(strangers_have_a_part_of_the_room_only),
		TEST(who_has_logged_in_is_no_stranger_and_does_not_give_way),
		TEST(oldest_stranger_of_the_greediest_network_gives_way),
		TEST(one_48_takes_places_from_itself),
		TEST(of_many_addresses_with_one_each_the_oldest_gives_way),
		TEST(no_more_guesses_are_judged_at_once_than_may_fail),
		TEST(guess_outlives_its_connection),
		TEST(networks_take_turns_to_be_hashed_for),
		TEST(who_is_known_is_hashed_for_before_strangers),
		TEST(
		    known_addresses_of_one_account_make_no_other_ones_strangers),
		TEST(addresses_are_known_for_a_month),
		TEST(failures_in_one_56_and_in_one_48_count_together_too),
		TEST(login_is_slowed_up_to_a_bound_and_never_barred),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
