/* SPDX-License-Identifier: ISC */
/* What sessions have taught, in the store. */
#include <time.h>

#include "store_fixture.h"

enum { NOW = 1000000, HOUR = 3600, DAY = 24 * HOUR };

static void
add_account(struct fixture *f, const char *login)
{
	const struct account account = { .login = login, .scram = "x" };

	assert_ok(f, store_account_add(f->store, &account));
}

static void
learn(struct fixture *f, int64_t since, bool sure)
{
	const struct workaround row = { 1, "", "no-tls", "broken", since, 0 };

	assert_ok(f, store_workaround_put(f->store, &row, sure));
}

static void
note_until(const struct workaround *workaround, void *arg)
{
	*(int64_t *)arg = workaround->until;
}

/* Until when it counts, as seen at `now`; 0: not then. */
static int64_t
counts_until(struct fixture *f, int64_t now)
{
	int64_t until = 0;

	assert_ok(
	    f, store_workaround_each(f->store, 1, "", now, note_until, &until));
	return until;
}

static void
a_guess_counts_for_an_hour_and_what_is_sure_for_a_day(void **arg)
{
	struct fixture *f = *arg;

	add_account(f, "ann");
	learn(f, NOW, false);
	assert_int_equal(counts_until(f, NOW), NOW + HOUR);
	assert_int_equal(counts_until(f, NOW + HOUR), 0);
	learn(f, NOW + 2 * DAY, true);
	assert_int_equal(counts_until(f, NOW + 2 * DAY), NOW + 3 * DAY);
}

static void
a_guess_that_comes_true_again_counts_for_a_day(void **arg)
{
	struct fixture *f = *arg;

	add_account(f, "ann");
	learn(f, NOW, false);
	learn(f, NOW + 2 * HOUR, false);
	assert_int_equal(counts_until(f, NOW + 2 * HOUR), NOW + 2 * HOUR + DAY);
	learn(f, NOW + 5 * DAY, false);
	assert_int_equal(counts_until(f, NOW + 5 * DAY), NOW + 5 * DAY + HOUR);
}

static void
what_is_forgotten_or_is_nobodys_counts_no_more(void **arg)
{
	const struct workaround row = {
		.account = 1, .domain = "", .what = "no-tls"
	};
	struct fixture *f = *arg;

	learn(f, NOW, true);
	add_account(f, "ann");
	assert_int_equal(counts_until(f, NOW), 0);
	learn(f, NOW, true);
	assert_ok(f, store_workaround_forget(f->store, &row));
	assert_int_equal(counts_until(f, NOW), 0);
}

static void
count_one(const struct workaround *workaround, void *arg)
{
	(void)workaround;
	++*(int *)arg;
}

/* Without an account: of domains that are dialled. */
static int
of_domain(struct fixture *f, const char *domain)
{
	int count = 0;

	assert_ok(f,
	    store_workaround_each(f->store, 0, domain, NOW, count_one, &count));
	return count;
}

static void
a_domain_that_is_dialled_has_workarounds_of_its_own(void **arg)
{
	const struct workaround row = { 0, "a.org", "no-tls", "broken", NOW,
		0 };
	struct fixture *f = *arg;

	add_account(f, "ann");
	assert_ok(f, store_workaround_put(f->store, &row, true));
	assert_ok(f, store_workaround_put(f->store, &row, true));
	assert_int_equal(of_domain(f, "a.org"), 1);
	assert_int_equal(of_domain(f, "b.org"), 0);
	assert_int_equal(counts_until(f, NOW), 0);
	learn(f, NOW, true);
	assert_ok(f, store_workaround_forget(f->store, &row));
	assert_int_equal(of_domain(f, "a.org"), 0);
	assert_int_equal(counts_until(f, NOW), NOW + DAY);
}

static void
what_was_learnt_in_the_future_does_not_count(void **arg)
{
	struct fixture *f = *arg;

	add_account(f, "ann");
	learn(f, NOW + DAY, true);
	assert_int_equal(counts_until(f, NOW), 0);
}

/* ---- messages ------------------------------------------------------------ */

static void
settle(struct fixture *f, enum fault fault, bool took, long doubted)
{
	const struct settlement s = {
		.queue_id = "Q1",
		.domain = "a.org",
		.session = "s",
		.kept = 1,
		.doubted = doubted,
		.when = time(NULL),
		.fault = fault,
		.took = took,
		.answer = "451 4.4.2 x",
	};

	assert_ok(f, store_settle(f->store, &s));
}

static void
note_suspicion(const struct suspect *suspect, void *arg)
{
	assert_string_equal(suspect->queue_id, "Q1");
	*(enum suspicion *)arg = suspect->suspicion;
}

static enum suspicion
suspicion(struct fixture *f)
{
	enum suspicion suspicion = SUSPECT_NOT;

	assert_ok(
	    f, store_suspects(f->store, "a.org", note_suspicion, &suspicion));
	return suspicion;
}

static void
add_tag(struct fixture *f)
{
	const struct tag tag = { .queue_id = "Q1",
		.domain = "a.org",
		.sender = "",
		.recipients = "x@a.org",
		.recipient_count = 1,
		.client = "192.0.2.1",
		.arrived = 10 };

	assert_ok(f, store_tag_add(f->store, &tag));
}

static void
suspicion_grows_with_the_faults_and_goes_with_an_answer(void **arg)
{
	struct fixture *f = *arg;

	add_tag(f);
	assert_int_equal(suspicion(f), SUSPECT_NOT);
	settle(f, FAULT_NEAR, false, 0);
	assert_int_equal(suspicion(f), SUSPECT_NEAR);
	settle(f, FAULT_UNKNOWN, false, 0);
	assert_int_equal(suspicion(f), SUSPECT_NEAR);
	settle(f, FAULT_LIKELY, false, 0);
	assert_int_equal(suspicion(f), SUSPECT_LIKELY);
	settle(f, FAULT_NEAR, false, 0);
	assert_int_equal(suspicion(f), SUSPECT_LIKELY);
	settle(f, FAULT_REFUSED, false, 0);
	assert_int_equal(suspicion(f), SUSPECT_DOUBTED);
	settle(f, FAULT_NONE, false, 1);
	assert_int_equal(suspicion(f), SUSPECT_DOUBTED);
	settle(f, FAULT_NONE, false, 0);
	assert_int_equal(suspicion(f), SUSPECT_NOT);
}

static void
three_sessions_that_took_other_mail_set_a_message_apart(void **arg)
{
	struct fixture *f = *arg;

	add_tag(f);
	for (int i = 0; i < 5; i++)
		settle(f, FAULT_LIKELY, false, 0);
	assert_int_equal(suspicion(f), SUSPECT_LIKELY);
	settle(f, FAULT_LIKELY, true, 0);
	assert_int_equal(suspicion(f), SUSPECT_LIKELY);
	settle(f, FAULT_LIKELY, true, 0);
	assert_int_equal(suspicion(f), SUSPECT_APART);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(
		    a_guess_counts_for_an_hour_and_what_is_sure_for_a_day),
		STORE_TEST(a_guess_that_comes_true_again_counts_for_a_day),
		STORE_TEST(what_is_forgotten_or_is_nobodys_counts_no_more),
		STORE_TEST(a_domain_that_is_dialled_has_workarounds_of_its_own),
		STORE_TEST(what_was_learnt_in_the_future_does_not_count),
		STORE_TEST(
		    suspicion_grows_with_the_faults_and_goes_with_an_answer),
		STORE_TEST(
		    three_sessions_that_took_other_mail_set_a_message_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
