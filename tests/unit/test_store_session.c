/* SPDX-License-Identifier: ISC */
/* The live sessions in the store, and what they leave in usage. */
#include "store_fixture.h"

static void
join_name(const char *name, void *arg)
{
	strcat(arg, name);
	strcat(arg, " ");
}

static void
add_tag(struct fixture *f, const char *id, const char *domain)
{
	struct tag tag = { .queue_id = id,
		.domain = domain,
		.sender = "",
		.recipients = "x@y",
		.recipient_count = 1,
		.size = 100,
		.client = "192.0.2.1",
		.arrived = 10 };

	assert_ok(f, store_tag_add(f->store, &tag));
}

static void
join_session(const struct session_row *session, void *arg)
{
	char text[128];

	snprintf(text, sizeof(text), "%s/%ld/%s/%d", session->id, session->pid,
	    session->state, (int)session->delivered);
	join_name(text, arg);
}

static const struct session_row one_session = {
	.id = "one",
	.pid = 7,
	.account = "a",
	.client = "::1",
	.domains = "a.org\nc.org",
	.state = "delivering",
	.since = 20,
	.noted = 25,
};
static const struct session_row two_session = {
	.id = "two",
	.pid = 8,
	.account = "b",
	.client = "::1",
	.domains = "b.org",
	.state = "delivering",
	.since = 10,
	.noted = 15,
};

static void
session_is_replaced_ended_and_cleared(void **arg)
{
	struct fixture *f = *arg;
	struct session_row one = one_session;
	char before[128] = "", ended[128] = "", cleared[128] = "";

	assert_ok(f, store_session_put(f->store, &one));
	assert_ok(f, store_session_put(f->store, &two_session));
	one.delivered = 5;
	assert_ok(f, store_session_put(f->store, &one));
	assert_ok(f, store_session_each(f->store, join_session, before));
	assert_string_equal(before, "two/8/delivering/0 one/7/delivering/5 ");
	assert_ok(f, store_session_end(f->store, "two", 17));
	assert_int_equal(store_session_end(f->store, "two", 17), STORE_NONE);
	assert_ok(f, store_session_each(f->store, join_session, ended));
	assert_string_equal(ended, "one/7/delivering/5 ");
	assert_ok(f, store_session_clear(f->store));
	assert_ok(f, store_session_each(f->store, join_session, cleared));
	assert_string_equal(cleared, "");
}

/* "sessions seconds" that usage has of the account. */
static void
expect_usage(struct fixture *f, const char *account, const char *expected)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
	    "SELECT sum(sessions) || ' ' || sum(seconds) "
	    "FROM session_usage WHERE account = '%s'",
	    account);
	assert_answer(f->database, sql, expected);
}

static void
sessions_and_their_seconds_go_into_usage(void **arg)
{
	struct fixture *f = *arg;
	struct session_row again = two_session;

	again.id = "three";
	assert_ok(f, store_session_put(f->store, &one_session));
	assert_ok(f, store_session_put(f->store, &two_session));
	assert_ok(f, store_session_put(f->store, &again));
	assert_ok(f, store_session_end(f->store, "two", 17));
	expect_usage(f, "b", "1 7");
	/* The clock went back: no seconds, but a session. */
	assert_ok(f, store_session_end(f->store, "three", 3));
	expect_usage(f, "b", "2 7");
	/* Of what a dead odmrd left, what it had noted counts. */
	assert_ok(f, store_session_clear(f->store));
	expect_usage(f, "a", "1 5");
}

static void
join_live(const struct session_row *session, void *arg)
{
	char text[128];

	snprintf(text, sizeof(text), "%s %d/%d/%d/%d/%d held=%d", session->id,
	    (int)session->attempted, (int)session->refused, (int)session->kept,
	    (int)session->in_flight, (int)session->rate, (int)session->held);
	join_name(text, arg);
}

static void
session_shows_what_is_held_for_its_domains(void **arg)
{
	struct fixture *f = *arg;
	struct session_row one = one_session;
	char live[128] = "";

	add_tag(f, "1", "c.org");
	add_tag(f, "2", "a.org");
	add_tag(f, "3", "d.org");
	one.attempted = 1;
	one.refused = 2;
	one.kept = 3;
	one.in_flight = 4;
	one.rate = 5;
	assert_ok(f, store_session_put(f->store, &one));
	assert_ok(f, store_session_put(f->store, &two_session));
	assert_ok(f, store_session_each(f->store, join_live, live));
	assert_string_equal(live, "two 0/0/0/0/0 held=0 one 1/2/3/4/5 held=2 ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(session_is_replaced_ended_and_cleared),
		STORE_TEST(sessions_and_their_seconds_go_into_usage),
		STORE_TEST(session_shows_what_is_held_for_its_domains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
