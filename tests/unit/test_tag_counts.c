/* SPDX-License-Identifier: ISC */
/* Counting: whatever changes a tag, domain_count and usage follow. */
#include <time.h>

#include "store_fixture.h"
#include "lib/store/store_count.h"
#include "lib/store/store_reconcile.h"

enum { FIRST = 1700000000, SECOND = 1700100000, RECIPIENTS = 1 };
#define DAY_1 "1700000000" /* 2023-11-14 22:13:20 UTC */
#define DAY_2 "1700100000"

static void
change(struct fixture *f, const char *sql)
{
	sqlite3 *db = open_beside(f->database);

	execute(db, sql);
	sqlite3_close(db);
}

static int64_t
id_of(struct fixture *f, const char *queue_id)
{
	int64_t id;

	assert_ok(f, store_tag_id(f->store, queue_id, "a.org", &id));
	return id;
}

static void
settle(
    struct fixture *f, const char *queue_id, enum tag_state state, int64_t when)
{
	assert_ok(f, store_begin(f->store));
	assert_ok(f, tag_end(f->store, id_of(f, queue_id), state, when));
	assert_ok(f, store_commit(f->store));
}

/* ?1 is the id. */
static void
alter(struct fixture *f, const char *queue_id, const char *sql)
{
	assert_ok(f, store_begin(f->store));
	assert_ok(
	    f, change_tag(f->store, id_of(f, queue_id), NULL, sql, no_value));
	assert_ok(f, store_commit(f->store));
}

static void
hold(struct fixture *f, const char *queue_id)
{
	static const char sql[] = "UPDATE tag SET " HOLD "WHERE id = ?1";

	alter(f, queue_id, sql);
}

static void
drop(struct fixture *f, const char *queue_id)
{
	static const char sql[] = "DELETE FROM tag WHERE id = ?1";

	alter(f, queue_id, sql);
}

/* A held tag of a.org of 100 bytes. */
static void
come_at(struct fixture *f, const char *queue_id, int64_t when)
{
	struct tag tag = { .queue_id = queue_id,
		.domain = "a.org",
		.sender = "",
		.recipients = "r@a.org",
		.recipient_count = 1,
		.size = 100,
		.client = "",
		.arrived = when };

	assert_ok(f, store_tag_add(f->store, &tag));
}

static void
come(struct fixture *f, const char *queue_id)
{
	come_at(f, queue_id, FIRST);
}

static void
expect_waiting(struct fixture *f, const char *expected)
{
	assert_answer(f->database,
	    "SELECT held || ' ' || held_bytes FROM domain_count", expected);
}

/* "messages bytes delivered/their bytes refused expired removed" of one day
 * and account. */
static void
expect_usage(struct fixture *f, const char *day, const char *account,
    const char *expected)
{
	char sql[512];

	snprintf(sql, sizeof(sql),
	    "SELECT printf('%%d %%d %%d/%%d %%d %%d %%d', sum(messages), "
	    "sum(bytes), sum(delivered), sum(delivered_bytes), sum(refused), "
	    "sum(expired), sum(removed)) FROM usage "
	    "WHERE day = date(%s, 'unixepoch') "
	    "AND domain = 'a.org' AND account = '%s'",
	    day, account);
	assert_answer(f->database, sql, expected);
}

static void
message_that_comes_waits_and_is_counted(void **arg)
{
	struct fixture *f = *arg;

	come(f, "Q1");
	come(f, "Q2");
	come(f, "Q2");
	expect_waiting(f, "2 200");
	expect_usage(f, DAY_1, "", "2 200 0/0 0 0 0");
}

/* On whatever day this runs; the messages came long ago. */
static void
expect_peak(struct fixture *f, const char *expected)
{
	assert_answer(f->database,
	    "SELECT group_concat(account || ':' || peak) FROM usage "
	    "WHERE domain = 'a.org' AND day > '2023-12-31'",
	    expected);
}

static void
peak_is_the_most_that_was_held_at_a_time(void **arg)
{
	struct fixture *f = *arg;

	come(f, "Q1");
	expect_peak(f, ":1");
	come(f, "Q2");
	settle(f, "Q1", TAG_LEFT, FIRST);
	come(f, "Q3");
	expect_waiting(f, "2 200");
	expect_peak(f, ":2");
	hold(f, "Q1");
	expect_peak(f, ":3");
	assert_answer(f->database,
	    "SELECT max(peak) FROM usage WHERE day < '2023-12-31'", "0");
}

/* As if the day had begun with what waits. */
static void
begin_day(struct fixture *f)
{
	change(f, "DELETE FROM usage");
}

static void
peak_of_a_day_without_arrivals_is_what_waited_when_it_began(void **arg)
{
	struct fixture *f = *arg;

	come(f, "Q1");
	come(f, "Q2");
	begin_day(f);
	settle(f, "Q1", TAG_LEFT, FIRST);
	expect_peak(f, ":2");
	begin_day(f);
	drop(f, "Q2");
	expect_peak(f, ":1");
}

static void
peak_of_a_day_on_which_mail_just_waits_is_noted(void **arg)
{
	struct fixture *f = *arg;

	come(f, "Q1");
	come(f, "Q2");
	change(f,
	    "INSERT INTO account (id, login, scram, created) "
	    "VALUES (1, 'owner', '', 0);"
	    "INSERT INTO access VALUES (1, 'a.org');"
	    "INSERT INTO domain_count (domain) VALUES ('empty.org')");
	begin_day(f);
	assert_ok(f, store_peaks_note(f->store));
	assert_ok(f, store_peaks_note(f->store));
	expect_peak(f, "owner:2");
	assert_answer(f->database, "SELECT count(*) FROM usage", "1");
}

static void
size_that_is_corrected_is_corrected_everywhere(void **arg)
{
	struct fixture *f = *arg;

	come(f, "Q1");
	alter(f, "Q1", "UPDATE tag SET size = 4711 WHERE id = ?1");
	expect_waiting(f, "1 4711");
	expect_usage(f, DAY_1, "", "1 4711 0/0 0 0 0");
}

static void
each_fate_is_counted_on_the_day_when_it_came(void **arg)
{
	struct fixture *f = *arg;

	come(f, "Q1");
	come(f, "Q2");
	come(f, "Q3");
	come(f, "Q4");
	settle(f, "Q1", TAG_DELIVERED, SECOND);
	settle(f, "Q2", TAG_REFUSED, SECOND);
	settle(f, "Q3", TAG_EXPIRED, SECOND);
	settle(f, "Q4", TAG_LEFT, SECOND);
	expect_waiting(f, "0 0");
	expect_usage(f, DAY_1, "", "4 400 0/0 0 0 0");
	expect_usage(f, DAY_2, "", "0 0 1/100 1 1 1");
}

static void
delivery_is_counted_for_the_account_of_the_session(void **arg)
{
	const struct session_row session = { .id = "S",
		.account = "guest",
		.client = "",
		.domains = "",
		.state = "delivering" };
	struct fixture *f = *arg;

	change(f,
	    "INSERT INTO account (id, login, scram, created) VALUES "
	    "(1, 'owner', '', 0), (2, 'guest', '', 0);"
	    "INSERT INTO access VALUES (1, 'a.org');");
	come(f, "Q1");
	come(f, "Q2");
	expect_usage(f, DAY_1, "owner", "2 200 0/0 0 0 0");
	assert_ok(f, store_session_put(f->store, &session));
	change(f, "UPDATE tag SET session = 'S'");
	settle(f, "Q1", TAG_DELIVERED, FIRST);
	change(f, "DELETE FROM session");
	settle(f, "Q2", TAG_LEFT, FIRST);
	expect_usage(f, DAY_1, "guest", "0 0 1/100 0 0 0");
	expect_usage(f, DAY_1, "owner", "2 200 0/0 0 0 1");
	hold(f, "Q1");
	hold(f, "Q2");
	expect_usage(f, DAY_1, "guest", "0 0 0/0 0 0 0");
	expect_usage(f, DAY_1, "owner", "2 200 0/0 0 0 0");
}

static void
domain_of_two_accounts_is_counted_for_nobody(void **arg)
{
	struct fixture *f = *arg;

	change(f,
	    "INSERT INTO account (id, login, scram, created) VALUES "
	    "(1, 'one', '', 0), (2, 'two', '', 0);"
	    "INSERT INTO access VALUES (1, 'a.org'), (2, 'a.org');");
	come(f, "Q1");
	expect_usage(f, DAY_1, "", "1 100 0/0 0 0 0");
}

static void
tag_that_is_held_again_takes_its_count_back(void **arg)
{
	struct fixture *f = *arg;

	come(f, "Q1");
	settle(f, "Q1", TAG_DELIVERED, SECOND);
	hold(f, "Q1");
	expect_waiting(f, "1 100");
	expect_usage(f, DAY_1, "", "1 100 0/0 0 0 0");
	expect_usage(f, DAY_2, "", "0 0 0/0 0 0 0");
}

static void
fate_that_turns_out_to_be_another_moves_its_count(void **arg)
{
	struct fixture *f = *arg;

	come(f, "Q1");
	settle(f, "Q1", TAG_LEFT, SECOND);
	alter(f, "Q1",
	    "UPDATE tag SET state = 'delivered', settled = " DAY_1
	    " WHERE id = ?1");
	expect_waiting(f, "0 0");
	expect_usage(f, DAY_1, "", "1 100 1/100 0 0 0");
	expect_usage(f, DAY_2, "", "0 0 0/0 0 0 0");
}

static void
message_settled_before_its_tag_came_is_counted_once(void **arg)
{
	struct fixture *f = *arg;
	struct settlement settlement = { .queue_id = "Q1",
		.domain = "a.org",
		.session = "S",
		.delivered = 1,
		.bytes = 50,
		.when = 1700000000,
		.answer = "250 ok" };

	assert_int_equal(store_settle(f->store, &settlement), STORE_NONE);
	come(f, "Q1");
	expect_waiting(f, "0 0");
	expect_usage(f, DAY_1, "", "1 50 1/50 0 0 0");
}

static void
finished_tag_that_is_deleted_stays_counted(void **arg)
{
	struct fixture *f = *arg;

	come(f, "Q1");
	settle(f, "Q1", TAG_DELIVERED, FIRST);
	drop(f, "Q1");
	expect_waiting(f, "0 0");
	expect_usage(f, DAY_1, "", "1 100 1/100 0 0 0");
}

static void
held_tag_that_is_deleted_was_none_of_the_domain(void **arg)
{
	struct fixture *f = *arg;

	come(f, "Q1");
	come(f, "Q2");
	drop(f, "Q1");
	expect_waiting(f, "1 100");
	expect_usage(f, DAY_1, "", "1 100 0/0 0 0 0");
}

static void
note_total(const struct domain_total *total, void *arg)
{
	*(struct domain_total *)arg = *total;
}

static void
expect_totals(struct fixture *f, int received, int delivered, int left)
{
	struct domain_total total = { 0 };

	assert_ok(f, store_total_each(f->store, note_total, &total));
	assert_int_equal(total.received.messages, received);
	assert_int_equal(total.received.bytes, 100 * received);
	assert_int_equal(total.delivered.messages, delivered);
	assert_int_equal(total.delivered.bytes, 100 * delivered);
	assert_int_equal(total.left.messages, left);
	assert_int_equal(total.left.bytes, 100 * left);
	assert_int_equal(total.refused.messages + total.expired.bytes, 0);
}

static void
totals_only_grow(void **arg)
{
	struct fixture *f = *arg;

	come(f, "Q1");
	come(f, "Q2");
	come(f, "Q3");
	expect_totals(f, 3, 0, 0);
	settle(f, "Q1", TAG_DELIVERED, FIRST);
	settle(f, "Q2", TAG_LEFT, FIRST);
	expect_totals(f, 3, 1, 1);
	hold(f, "Q2");
	expect_totals(f, 3, 1, 1);
	settle(f, "Q2", TAG_DELIVERED, FIRST);
	drop(f, "Q3");
	assert_ok(f, store_history_end(f->store, SECOND));
	assert_answer(f->database, "SELECT count(*) FROM tag", "0");
	expect_totals(f, 3, 2, 1);
}

/* ---- how much is written ------------------------------------------------- */

static void
message_in_takes_three_rows_and_one_settled_three(void **arg)
{
	struct settlement settlement = { .queue_id = "Q2",
		.domain = "a.org",
		.session = "S",
		.delivered = 1,
		.bytes = 100,
		.answer = "250 ok" };
	struct fixture *f = *arg;
	int before;

	come_at(f, "Q1", time(NULL));
	before = sqlite3_total_changes(f->store->db);
	come_at(f, "Q2", time(NULL));
	assert_in_range(
	    sqlite3_total_changes(f->store->db) - before, 1, 3 + RECIPIENTS);
	settlement.when = time(NULL);
	before = sqlite3_total_changes(f->store->db);
	assert_ok(f, store_settle(f->store, &settlement));
	assert_in_range(sqlite3_total_changes(f->store->db) - before, 1, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(message_that_comes_waits_and_is_counted),
		STORE_TEST(peak_is_the_most_that_was_held_at_a_time),
		STORE_TEST(
		    peak_of_a_day_without_arrivals_is_what_waited_when_it_began),
		STORE_TEST(peak_of_a_day_on_which_mail_just_waits_is_noted),
		STORE_TEST(size_that_is_corrected_is_corrected_everywhere),
		STORE_TEST(each_fate_is_counted_on_the_day_when_it_came),
		STORE_TEST(delivery_is_counted_for_the_account_of_the_session),
		STORE_TEST(domain_of_two_accounts_is_counted_for_nobody),
		STORE_TEST(tag_that_is_held_again_takes_its_count_back),
		STORE_TEST(fate_that_turns_out_to_be_another_moves_its_count),
		STORE_TEST(message_settled_before_its_tag_came_is_counted_once),
		STORE_TEST(finished_tag_that_is_deleted_stays_counted),
		STORE_TEST(held_tag_that_is_deleted_was_none_of_the_domain),
		STORE_TEST(totals_only_grow),
		STORE_TEST(message_in_takes_three_rows_and_one_settled_three),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
