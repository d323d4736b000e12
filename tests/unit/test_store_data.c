/* SPDX-License-Identifier: ISC */
/*
 * What the store keeps: domains, accounts and grants, tags and their
 * settlement, sessions, status.
 */
#include "store_fixture.h"

/* ---- domains --------------------------------------------------------- */

struct domain_copy {
	enum domain_mode mode;
	char nexthop[64], socket[300];
};

static void
copy_domain(const struct domain *domain, void *arg)
{
	struct domain_copy *copy = arg;

	copy->mode = domain->mode;
	snprintf(copy->nexthop, sizeof(copy->nexthop), "%s",
	    domain->nexthop != NULL ? domain->nexthop : "NULL");
	snprintf(copy->socket, sizeof(copy->socket), "%s", domain->socket);
}

static struct domain_copy
get_domain(struct fixture *f, const char *name)
{
	struct domain_copy copy = { 0 };

	assert_ok(f, store_domain_get(f->store, name, copy_domain, &copy));
	return copy;
}

static void
domain_is_added_once_set_and_removed(void **arg)
{
	struct fixture *f = *arg;
	struct domain_copy copy;

	assert_ok(f, store_domain_add(f->store, "a.org", MODE_BACKUP, "[h]"));
	assert_int_equal(
	    store_domain_add(f->store, "a.org", MODE_ODMR, NULL), STORE_EXISTS);
	copy = get_domain(f, "a.org");
	assert_int_equal(copy.mode, MODE_BACKUP);
	assert_string_equal(copy.nexthop, "[h]");
	assert_string_equal(copy.socket, "a.org");
	assert_ok(f, store_domain_set(f->store, "a.org", MODE_HOLD, NULL));
	copy = get_domain(f, "a.org");
	assert_int_equal(copy.mode, MODE_HOLD);
	assert_string_equal(copy.nexthop, "NULL");
	assert_int_equal(
	    store_domain_set(f->store, "b.org", MODE_HOLD, NULL), STORE_NONE);
	assert_ok(f, store_domain_remove(f->store, "a.org"));
	assert_int_equal(store_domain_remove(f->store, "a.org"), STORE_NONE);
	assert_int_equal(
	    store_domain_get(f->store, "a.org", NULL, NULL), STORE_NONE);
}

static void
socket_of_a_long_domain_is_named_by_its_id(void **arg)
{
	struct fixture *f = *arg;
	char fits[SOCKET_NAME_MAX + 1], longer[SOCKET_NAME_MAX + 2];

	memset(fits, 'f', sizeof(fits));
	memset(longer, 'l', sizeof(longer));
	fits[sizeof(fits) - 1] = longer[sizeof(longer) - 1] = '\0';
	assert_ok(f, store_domain_add(f->store, fits, MODE_ODMR, NULL));
	assert_ok(f, store_domain_add(f->store, longer, MODE_ODMR, NULL));
	assert_string_equal(get_domain(f, fits).socket, fits);
	assert_string_equal(get_domain(f, longer).socket, "d2");
	/* A session may listen there still, so nobody else does. */
	assert_ok(f, store_domain_remove(f->store, longer));
	assert_ok(f, store_domain_add(f->store, longer, MODE_ODMR, NULL));
	assert_string_equal(get_domain(f, longer).socket, "d3");
}

/* ---- accounts -------------------------------------------------------- */

static void
copy_id(const struct account *account, void *arg)
{
	*(int64_t *)arg = account->id;
}

static int64_t
add_account(struct fixture *f, const char *login)
{
	struct account account = { .login = login, .scram = "verifier" };
	int64_t id = 0;

	assert_ok(f, store_account_add(f->store, &account));
	assert_ok(f, store_account_get(f->store, login, copy_id, &id));
	return id;
}

static void
expect_account(const struct account *account, void *arg)
{
	const struct account *expected = arg;

	assert_string_equal(account->scram, expected->scram);
	if (expected->password != NULL)
		assert_string_equal(account->password, expected->password);
	else
		assert_null(account->password);
	assert_int_equal(account->linger, expected->linger);
	assert_int_equal(account->disabled, expected->disabled);
}

static void
account_keeps_what_it_was_given(void **arg)
{
	struct fixture *f = *arg;
	struct account a = {
		.login = "a", .scram = "v", .password = "p", .linger = 60
	};

	assert_ok(f, store_account_add(f->store, &a));
	assert_int_equal(store_account_add(f->store, &a), STORE_EXISTS);
	assert_ok(f, store_account_get(f->store, "a", expect_account, &a));
	assert_ok(f, store_account_secret(f->store, "a", "v2", NULL));
	assert_ok(f, store_account_disable(f->store, "a", true));
	a = (struct account) { .scram = "v2", .linger = 60, .disabled = true };
	assert_ok(f, store_account_get(f->store, "a", expect_account, &a));
	assert_ok(f, store_account_remove(f->store, "a"));
	assert_int_equal(
	    store_account_get(f->store, "a", NULL, NULL), STORE_NONE);
	assert_int_equal(
	    store_account_secret(f->store, "a", "v", NULL), STORE_NONE);
	assert_int_equal(
	    store_account_disable(f->store, "a", false), STORE_NONE);
	assert_int_equal(store_account_remove(f->store, "a"), STORE_NONE);
}

static void
join_name(const char *name, void *arg)
{
	strcat(arg, name);
	strcat(arg, " ");
}

static void
grants_are_of_one_account_and_listed_by_name(void **arg)
{
	struct fixture *f = *arg;
	int64_t a = add_account(f, "a"), b = add_account(f, "b");
	char names[64] = "";

	assert_ok(f, store_domain_add(f->store, "c.org", MODE_ODMR, NULL));
	assert_ok(f, store_domain_add(f->store, "z.org", MODE_ODMR, NULL));
	assert_int_equal(store_grant(f->store, a, "x.org"), STORE_NONE);
	assert_ok(f, store_grant(f->store, a, "z.org"));
	assert_ok(f, store_grant(f->store, a, "c.org"));
	assert_ok(f, store_grant(f->store, b, "c.org"));
	assert_int_equal(store_grant(f->store, a, "c.org"), STORE_EXISTS);
	assert_int_equal(store_grant(f->store, 99, "c.org"), STORE_NONE);
	assert_ok(f, store_granted(f->store, a, "z.org"));
	assert_int_equal(store_granted(f->store, b, "z.org"), STORE_NONE);
	assert_ok(f, store_grants(f->store, a, join_name, names));
	assert_string_equal(names, "c.org z.org ");
	assert_ok(f, store_revoke(f->store, a, "c.org"));
	assert_int_equal(store_revoke(f->store, a, "c.org"), STORE_NONE);
	assert_int_equal(store_granted(f->store, a, "c.org"), STORE_NONE);
	assert_ok(f, store_granted(f->store, b, "c.org"));
}

static void
grants_go_with_their_account_and_their_domain(void **arg)
{
	struct fixture *f = *arg;
	int64_t a = add_account(f, "a"), b = add_account(f, "b");

	assert_ok(f, store_domain_add(f->store, "c.org", MODE_ODMR, NULL));
	assert_ok(f, store_grant(f->store, a, "c.org"));
	assert_ok(f, store_grant(f->store, b, "c.org"));
	assert_ok(f, store_account_remove(f->store, "a"));
	assert_int_equal(store_granted(f->store, a, "c.org"), STORE_NONE);
	assert_ok(f, store_granted(f->store, b, "c.org"));
	assert_ok(f, store_domain_remove(f->store, "c.org"));
	assert_int_equal(store_granted(f->store, b, "c.org"), STORE_NONE);
}

/* ---- tags ------------------------------------------------------------ */

static void
add_tag_of(struct fixture *f, const char *id, long recipients, int64_t arrived,
    int64_t size)
{
	struct tag tag = { .queue_id = id,
		.domain = "a.org",
		.sender = "s@b.org",
		.recipients = "x@a.org\ny@a.org",
		.recipient_count = recipients,
		.size = size,
		.client = "192.0.2.1",
		.arrived = arrived };

	assert_ok(f, store_tag_add(f->store, &tag));
}

static void
add_tag(struct fixture *f, const char *id, long recipients, int64_t arrived)
{
	add_tag_of(f, id, recipients, arrived, 100);
}

static enum store_result
try_to_settle(struct fixture *f, const char *id, const char *session,
    long delivered, long refused, long kept)
{
	struct settlement settlement = { .queue_id = id,
		.domain = "a.org",
		.session = session,
		.delivered = delivered,
		.refused = refused,
		.kept = kept,
		.bytes = 100,
		.when = 5000,
		.answer = "250 taken" };

	return store_settle(f->store, &settlement);
}

static void
settle(struct fixture *f, const char *id, const char *session, long delivered,
    long refused, long kept)
{
	assert_ok(f, try_to_settle(f, id, session, delivered, refused, kept));
}

static void
settle_unknown(struct fixture *f, const char *id, const char *session,
    long delivered, long refused, long kept)
{
	assert_int_equal(
	    try_to_settle(f, id, session, delivered, refused, kept),
	    STORE_NONE);
}

static int64_t
count_held(struct fixture *f, const char *session)
{
	int64_t count = 0;

	assert_ok(f, store_tag_count(f->store, "a.org", session, &count));
	return count;
}

#define assert_tag(f, expected)                                                \
	assert_answer((f)->database,                                           \
	    "SELECT state || ' open ' || rcpts_open || ' delivered ' || "      \
	    "delivered "                                                       \
	    "|| ' attempts ' || attempts || ' tried ' || rcpts_deferred "      \
	    "|| ' settled ' || ifnull(settled, '-') FROM tag",                 \
	    expected)

static void
collect_id(const struct tag *tag, void *arg)
{
	assert_int_equal(tag->recipient_count, 2);
	assert_string_equal(tag->state, "held");
	join_name(tag->queue_id, arg);
}

static void
held_tags_are_listed_oldest_first(void **arg)
{
	struct fixture *f = *arg;
	struct tag other = { .queue_id = "4",
		.domain = "b.org",
		.sender = "",
		.recipients = "x@b.org\ny@b.org\n",
		.recipient_count = 2,
		.client = "",
		.arrived = 15 };
	char all[32] = "", one[32] = "";

	add_tag(f, "1", 2, 30);
	add_tag(f, "2", 2, 10);
	add_tag(f, "3", 2, 20);
	assert_ok(f, store_tag_add(f->store, &other));
	settle(f, "3", "s", 2, 0, 0);
	assert_ok(f, store_tag_each(f->store, NULL, collect_id, all));
	assert_ok(f, store_tag_each(f->store, "a.org", collect_id, one));
	assert_string_equal(all, "2 4 1 ");
	assert_string_equal(one, "2 1 ");
}

static void
tag_that_is_there_stays_as_it_is(void **arg)
{
	struct fixture *f = *arg;

	add_tag(f, "1", 2, 10);
	settle(f, "1", "s", 1, 0, 0);
	add_tag(f, "1", 2, 10);
	assert_tag(f, "held open 1 delivered 1 attempts 1 tried 0 settled -");
}

static void
message_is_delivered_when_all_recipients_are_answered(void **arg)
{
	struct fixture *f = *arg;

	add_tag(f, "1", 3, 10);
	settle(f, "1", "s", 1, 0, 0);
	assert_tag(f, "held open 2 delivered 1 attempts 1 tried 0 settled -");
	settle(f, "1", "s", 0, 2, 0);
	assert_tag(
	    f, "delivered open 0 delivered 1 attempts 1 tried 0 settled 5000");
	assert_int_equal(count_held(f, NULL), 0);
}

static void
message_that_no_recipient_took_is_refused(void **arg)
{
	struct fixture *f = *arg;

	add_tag(f, "1", 2, 10);
	settle(f, "1", "s", 0, 2, 0);
	assert_tag(
	    f, "refused open 0 delivered 0 attempts 1 tried 0 settled 5000");
	assert_answer(f->database, "SELECT collected FROM domain_count", "0");
}

static void
kept_message_is_attempted_in_its_session_only(void **arg)
{
	struct fixture *f = *arg;

	add_tag(f, "1", 3, 10);
	assert_int_equal(count_held(f, "s1"), 1);
	settle(f, "1", "s1", 1, 0, 1);
	assert_tag(f, "held open 2 delivered 1 attempts 1 tried 1 settled -");
	assert_int_equal(count_held(f, "s1"), 1);
	settle(f, "1", "s1", 0, 0, 1);
	assert_int_equal(count_held(f, "s1"), 0);
	assert_int_equal(count_held(f, "s2"), 1);
	assert_int_equal(count_held(f, NULL), 1);
	settle(f, "1", "s2", 0, 0, 1);
	assert_tag(f, "held open 2 delivered 1 attempts 2 tried 1 settled -");
	assert_int_equal(count_held(f, "s2"), 1);
	settle(f, "1", "s2", 1, 0, 0);
	assert_int_equal(count_held(f, "s2"), 0);
	settle(f, "1", "s3", 1, 0, 0);
	assert_tag(
	    f, "delivered open 0 delivered 3 attempts 3 tried 0 settled 5000");
}

static void
more_answers_than_recipients_do_no_harm(void **arg)
{
	struct fixture *f = *arg;

	add_tag(f, "1", 1, 10);
	settle(f, "1", "s", 3, 0, 0);
	assert_tag(
	    f, "delivered open 0 delivered 3 attempts 1 tried 0 settled 5000");
}

/* The tag knows of one, of which Postfix's aliases made some. */
static void
recipient_that_was_kept_holds_the_message(void **arg)
{
	struct fixture *f = *arg;

	add_tag(f, "1", 1, 10);
	settle(f, "1", "s", 3, 0, 0);
	settle(f, "1", "s", 0, 0, 2);
	assert_tag(f, "held open 2 delivered 3 attempts 1 tried 2 settled -");
	settle(f, "1", "t", 1, 0, 1);
	assert_tag(f, "held open 1 delivered 4 attempts 2 tried 1 settled -");
	settle(f, "1", "u", 1, 0, 0);
	assert_tag(
	    f, "delivered open 0 delivered 5 attempts 3 tried 0 settled 5000");
}

static void
size_that_was_not_told_is_that_of_what_was_transferred(void **arg)
{
	struct fixture *f = *arg;

	add_tag_of(f, "1", 1, 10, 0);
	add_tag_of(f, "2", 1, 10, 0);
	add_tag_of(f, "3", 1, 10, 77);
	settle(f, "1", "s", 1, 0, 0);
	settle(f, "2", "s", 0, 0, 1);
	settle(f, "3", "s", 1, 0, 0);
	assert_answer(f->database,
	    "SELECT group_concat(size) FROM (SELECT size FROM tag "
	    "ORDER BY queue_id)",
	    "100,0,77");
	assert_answer(
	    f->database, "SELECT sum(delivered_bytes) FROM usage", "177");
	assert_answer(f->database, "SELECT sum(bytes) FROM usage", "177");
	assert_answer(f->database, "SELECT held_bytes FROM domain_count", "0");
}

static void
late_tag_completes_what_settled_the_message_before(void **arg)
{
	struct fixture *f = *arg;

	settle_unknown(f, "1", "s", 1, 0, 0);
	add_tag(f, "1", 2, 10);
	assert_answer(f->database,
	    "SELECT client || ' ' || sender || ' ' || (SELECT "
	    "group_concat(address) FROM recipient WHERE recipient.tag = tag.id)"
	    " || ' ' || state || ' ' || arrived FROM tag",
	    "192.0.2.1 s@b.org x@a.org,y@a.org delivered 5000");
}

/* As reconcile leaves one whose message is gone. */
static void
kept_answer_does_not_change_a_finished_tag(void **arg)
{
	struct fixture *f = *arg;
	sqlite3 *db = open_beside(f->database);

	add_tag(f, "1", 1, 10);
	execute(
	    db, "UPDATE tag SET state = 'left', rcpts_open = 0, settled = 7");
	sqlite3_close(db);
	settle(f, "1", "s", 0, 0, 1);
	assert_tag(f, "left open 0 delivered 0 attempts 1 tried 1 settled 7");
}

static void
late_tag_of_a_settled_message_does_not_bring_it_back(void **arg)
{
	struct fixture *f = *arg;

	settle_unknown(f, "1", "s", 1, 1, 0);
	add_tag(f, "1", 2, 10);
	assert_tag(
	    f, "delivered open 0 delivered 1 attempts 1 tried 0 settled 5000");
	assert_int_equal(count_held(f, NULL), 0);
}

static void
unknown_message_that_is_kept_gets_no_tag(void **arg)
{
	struct fixture *f = *arg;

	settle_unknown(f, "1", "s", 1, 0, 1);
	assert_answer(f->database, "SELECT count(*) FROM tag", "0");
	assert_answer(f->database, "SELECT collected FROM domain_count", "1");
}

static void
collected_counts_messages_and_their_bytes(void **arg)
{
	struct fixture *f = *arg;

	add_tag(f, "1", 2, 10);
	add_tag(f, "2", 2, 10);
	settle(f, "1", "s", 2, 0, 0);
	settle(f, "2", "s", 0, 0, 2);
	assert_ok(f, store_begin(f->store));
	settle(f, "2", "s", 1, 1, 0);
	assert_ok(f, store_commit(f->store));
	assert_answer(f->database,
	    "SELECT domain || ' ' || collected_at || ' ' || collected || ' ' "
	    "|| collected_bytes FROM domain_count",
	    "a.org 5000 2 200");
}

/* Deterministic where a clock is not: no statement of an ATRN may step
 * through a table, and each takes a bounded number of steps. */
static void
looking_up_one_domain_does_not_read_the_others(void **arg)
{
	struct fixture *f = *arg;
	sqlite3 *db = open_beside(f->database);
	int steps = 0, scanned = 0;

	execute(db,
	    "INSERT INTO tag (queue_id, domain, sender, size, "
	    "client, arrived, rcpts_open) "
	    "WITH RECURSIVE n (i) AS "
	    "(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
	    "SELECT i, 'd' || i % 500 || '.org', '', 1, '', i, 1 FROM n");
	sqlite3_close(db);
	add_tag(f, "mine", 1, 10);
	assert_int_equal(count_held(f, NULL), 1);
	assert_int_equal(count_held(f, "s"), 1);
	assert_int_equal(store_granted(f->store, 1, "a.org"), STORE_NONE);
	settle(f, "mine", "s", 1, 0, 0);
	for (struct statement *s = f->store->statements; s != NULL;
	     s = s->next) {
		steps += sqlite3_stmt_status(
		    s->handle, SQLITE_STMTSTATUS_VM_STEP, 0);
		scanned += sqlite3_stmt_status(
		    s->handle, SQLITE_STMTSTATUS_FULLSCAN_STEP, 0);
	}
	assert_int_equal(scanned, 0);
	assert_in_range(steps, 20, 1400);
}

/* ---- status ---------------------------------------------------------- */

static void
join_status(const struct domain_status *status, void *arg)
{
	char text[128];

	snprintf(text, sizeof(text), "%s:%d,%d,%d,%d,%d", status->domain.name,
	    (int)status->held, (int)status->bytes, (int)status->oldest,
	    (int)status->last_collected, (int)status->delivered);
	join_name(text, arg);
}

static void
status_tells_each_domain_of_its_own_mail(void **arg)
{
	struct fixture *f = *arg;
	char text[256] = "";

	assert_ok(f, store_domain_add(f->store, "b.org", MODE_ODMR, NULL));
	assert_ok(f, store_domain_add(f->store, "a.org", MODE_ODMR, NULL));
	add_tag(f, "1", 1, 30);
	add_tag(f, "2", 1, 20);
	add_tag(f, "3", 1, 10);
	settle(f, "3", "s", 1, 0, 0);
	assert_ok(f, store_status_each(f->store, join_status, text));
	assert_string_equal(text, "a.org:2,200,20,5000,1 b.org:0,0,0,0,0 ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(domain_is_added_once_set_and_removed),
		STORE_TEST(socket_of_a_long_domain_is_named_by_its_id),
		STORE_TEST(account_keeps_what_it_was_given),
		STORE_TEST(grants_are_of_one_account_and_listed_by_name),
		STORE_TEST(grants_go_with_their_account_and_their_domain),
		STORE_TEST(held_tags_are_listed_oldest_first),
		STORE_TEST(tag_that_is_there_stays_as_it_is),
		STORE_TEST(
		    message_is_delivered_when_all_recipients_are_answered),
		STORE_TEST(message_that_no_recipient_took_is_refused),
		STORE_TEST(kept_message_is_attempted_in_its_session_only),
		STORE_TEST(more_answers_than_recipients_do_no_harm),
		STORE_TEST(recipient_that_was_kept_holds_the_message),
		STORE_TEST(
		    size_that_was_not_told_is_that_of_what_was_transferred),
		STORE_TEST(late_tag_completes_what_settled_the_message_before),
		STORE_TEST(kept_answer_does_not_change_a_finished_tag),
		STORE_TEST(
		    late_tag_of_a_settled_message_does_not_bring_it_back),
		STORE_TEST(unknown_message_that_is_kept_gets_no_tag),
		STORE_TEST(collected_counts_messages_and_their_bytes),
		STORE_TEST(looking_up_one_domain_does_not_read_the_others),
		STORE_TEST(status_tells_each_domain_of_its_own_mail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
