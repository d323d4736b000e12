/* SPDX-License-Identifier: ISC */
/*
 * Random lives of tags: whatever order the milter, odmrd, the mail log and
 * reconcile write in, domain_count and usage say what counting the
 * tags says. SEED plays one life again.
 */
#include <time.h>

#include "store_fixture.h"
#include "lib/store/store_reconcile.h"

enum { STEPS = 900, LOOK = 10, MESSAGES = 60, DAY = 86400 };
enum { BEGIN = 1700000000, DAYS = 5, RECIPIENTS = 4 };

static const char *const domains[] = { "a.org", "b.org", "c.org" };
static const char *const sessions[] = { "S0", "S1", "S2" };
static unsigned seed;

/* Finished tags that history_days has taken count on. */
static const char beside[] =
    "CREATE TABLE gone AS SELECT * FROM tag WHERE false;"
    "CREATE TRIGGER goes AFTER DELETE ON tag WHEN old.state != 'held' BEGIN "
    "INSERT INTO gone (domain, state, size, arrived, settled, account_settled) "
    "VALUES "
    "(old.domain, old.state, old.size, old.arrived, old.settled, "
    "old.account_settled); END;"
    "CREATE VIEW every AS SELECT domain, state, size, arrived, settled, "
    "account_settled FROM tag UNION ALL SELECT domain, state, size, arrived, "
    "settled, account_settled FROM gone;"
    "CREATE TABLE taken (domain, messages, bytes);"
    "INSERT INTO taken VALUES ('a.org', 0, 0), ('b.org', 0, 0), "
    "('c.org', 0, 0);"
    "INSERT INTO account (id, login, scram, created) VALUES "
    "(1, 'one', '', 0), (2, 'two', '', 0);";

#define DAY_OF(when) "date(" when ", 'unixepoch')"

#define HELD                                                                   \
	"SELECT domain, count(*), sum(size) FROM tag WHERE state = 'held' "    \
	"GROUP BY domain "
#define WAITING                                                                \
	"SELECT domain, held, held_bytes FROM domain_count WHERE held != 0 "

#define CAME                                                                   \
	"SELECT " DAY_OF("arrived") ", domain, count(*), sum(size) "           \
				    "FROM every GROUP BY 1, 2 "
#define USAGE_IN                                                               \
	"SELECT day, domain, sum(messages), sum(bytes) FROM usage "            \
	"WHERE domain != '' GROUP BY 1, 2 HAVING sum(messages) != 0 "

#define WENT                                                                   \
	"SELECT " DAY_OF(                                                      \
	    "settled") ", domain, account_settled, "                           \
		       "sum(state = 'delivered'), sum(iif(state = "            \
		       "'delivered', size, 0)), "                              \
		       "sum(state = 'refused'), sum(state = 'expired'), "      \
		       "sum(state = 'left') FROM every WHERE state != 'held' " \
		       "GROUP BY 1, 2, 3 "
#define USAGE_OUT                                                              \
	"SELECT day, domain, account, delivered, delivered_bytes, refused, "   \
	"expired, removed FROM usage "                                         \
	"WHERE delivered + refused + expired + removed != 0 "

/* Each selects what breaks it. */
static const char *const laws[] = {
	WAITING "EXCEPT " HELD,
	HELD "EXCEPT " WAITING,
	"SELECT 1 FROM domain_count WHERE held < 0 OR held_bytes < 0 "
	"OR (held = 0 AND held_bytes != 0)",
	USAGE_IN "EXCEPT " CAME,
	CAME "EXCEPT " USAGE_IN,
	USAGE_OUT "EXCEPT " WENT,
	WENT "EXCEPT " USAGE_OUT,
	"SELECT 1 FROM usage WHERE messages < 0 OR bytes < 0 "
	"OR delivered < 0 OR delivered_bytes < 0 OR refused < 0 "
	"OR expired < 0 OR removed < 0",
	"SELECT 1 FROM (SELECT domain, sum(messages) AS come, sum(delivered + "
	"refused + expired + removed) AS went FROM usage GROUP BY domain) "
	"LEFT JOIN domain_count USING (domain) "
	"WHERE come != went + coalesce(held, 0)",
	/* What was held again is counted once more, what was rewritten was
	 * received. */
	"SELECT 1 FROM (SELECT domain, sum(messages) AS come, "
	"sum(bytes) AS size FROM usage GROUP BY domain) "
	"JOIN domain_count USING (domain) "
	"WHERE come > received OR size > received_bytes",
	"SELECT 1 FROM (SELECT domain, sum(delivered) AS delivered, "
	"sum(delivered_bytes) AS size, sum(refused) AS refused, "
	"sum(expired) AS expired, sum(removed) AS gone FROM usage "
	"GROUP BY domain) AS day JOIN domain_count AS total USING (domain) "
	"WHERE day.delivered + day.refused + day.expired + day.gone > "
	"total.delivered + total.refused + total.expired + total.removed",
	"SELECT 1 FROM domain_count JOIN taken USING (domain) "
	"WHERE collected != messages OR collected_bytes != bytes",
};

static int
any(int below)
{
	return rand_r(&seed) / 7 % below;
}

static int64_t
some_time(void)
{
	return BEGIN + any(DAYS * DAY);
}

static const char *
some_id(void)
{
	static char id[16];

	snprintf(id, sizeof(id), "Q%d", any(MESSAGES));
	return id;
}

static struct tag
some_tag(void)
{
	static const char *const lists[RECIPIENTS + 1] = { "", "p@x",
		"p@x\nq@x", "p@x\nq@x\nr@x", "p@x\nq@x\nr@x\ns@x" };
	int count = 1 + any(RECIPIENTS);

	return (struct tag) { .queue_id = some_id(),
		.domain = domains[any(3)],
		.sender = any(3) == 0 ? "" : "s@sender.test",
		.recipients = lists[count],
		.recipient_count = count,
		.size = any(3) == 0 ? 0 : any(5000),
		.client = any(3) == 0 ? "" : "192.0.2.1",
		.arrived = some_time() };
}

/* ---- who writes -------------------------------------------------------- */

static void
milter(struct fixture *f)
{
	const struct tag tag = some_tag();

	assert_ok(f, store_tag_add(f->store, &tag));
}

/* The store cannot tell it from the tags. */
static void
take(struct fixture *f, const struct settlement *settlement)
{
	sqlite3 *db = open_beside(f->database);
	char sql[128];

	snprintf(sql, sizeof(sql),
	    "UPDATE taken SET messages = messages + 1, bytes = bytes + %d "
	    "WHERE domain = '%s'",
	    (int)settlement->bytes, settlement->domain);
	execute(db, sql);
	sqlite3_close(db);
}

static void
odmrd(struct fixture *f)
{
	const struct settlement settlement = { .queue_id = some_id(),
		.domain = domains[any(3)],
		.session = sessions[any(3)],
		.delivered = any(3),
		.refused = any(2),
		.kept = any(2),
		.doubted = any(2),
		.bytes = any(5000),
		.when = some_time(),
		.answer = "answer" };

	if (store_settle(f->store, &settlement) == STORE_FAILED)
		fail_msg("%s", store_error(f->store));
	if (settlement.delivered > 0)
		take(f, &settlement);
}

static void
session(struct fixture *f)
{
	const struct session_row row = { .id = sessions[any(3)],
		.account = any(2) == 0 ? "one" : "two",
		.client = "",
		.domains = domains[any(3)],
		.state = "delivering",
		.since = BEGIN,
		.noted = BEGIN };

	if (any(2) == 0)
		assert_ok(f, store_session_put(f->store, &row));
	else if (store_session_end(f->store, row.id, some_time()) ==
	    STORE_FAILED)
		fail_msg("%s", store_error(f->store));
}

static void
mail_log(struct fixture *f)
{
	const struct logged logged = { .queue_id = some_id(),
		.domain = domains[any(3)],
		.event = (enum mail_event)any(MAIL_DELETED + 1),
		.local = any(2) == 0 ? "p" : "q",
		.answer = "logged",
		.when = some_time() };
	struct settled settled = { 0 };
	enum store_result result;

	if (logged.event <= MAIL_DEFERRED)
		result = store_logged(f->store, &logged, &settled);
	else
		result = store_logged_end(f->store, &logged, &settled);
	if (result == STORE_FAILED)
		fail_msg("%s", store_error(f->store));
}

static void
operator(struct fixture *f)
{
	static const char *const changes[] = {
		"INSERT OR IGNORE INTO access VALUES (1, 'a.org')",
		"INSERT OR IGNORE INTO access VALUES (2, 'a.org')",
		"INSERT OR IGNORE INTO access VALUES (2, 'b.org')",
		"DELETE FROM access WHERE account = 1",
		"DELETE FROM access WHERE account = 2",
	};
	sqlite3 *db;

	if (any(3) == 0) {
		if (store_tag_leave(f->store, some_id(), some_time(),
			"deleted") == STORE_FAILED)
			fail_msg("%s", store_error(f->store));
		return;
	}
	db = open_beside(f->database);
	execute(db, changes[any(5)]);
	sqlite3_close(db);
}

static void
reconcile(struct fixture *f)
{
	struct unlisted_fate fate = { some_time(), DAY, DAY, 0, 0, 0, 0 };
	int64_t missing, added = 0, changed = 0;
	struct tag tag;

	assert_ok(f, store_listing_begin(f->store));
	assert_ok(f, store_listing_restart(f->store));
	for (int i = any(MESSAGES); i > 0; i--) {
		tag = some_tag();
		assert_ok(f, store_listing_add(f->store, &tag));
	}
	assert_ok(f, store_unlisted_find(f->store, some_time(), &missing));
	/* It may be killed at any moment. */
	if (any(4) > 0)
		assert_ok(f, store_unlisted_settle(f->store, &fate));
	if (any(4) > 0)
		assert_ok(f,
		    store_listing_apply(
			f->store, some_time(), &added, &changed));
	if (any(4) == 0)
		assert_ok(f, store_history_end(f->store, BEGIN + any(2 * DAY)));
	store_listing_end(f->store);
}

/* ---- the test ---------------------------------------------------------- */

static void
look(struct fixture *f, unsigned life, int step)
{
	sqlite3 *db = open_beside(f->database);
	sqlite3_stmt *stmt;

	for (size_t i = 0; i < sizeof(laws) / sizeof(laws[0]); i++) {
		assert_int_equal(
		    sqlite3_prepare_v2(db, laws[i], -1, &stmt, NULL),
		    SQLITE_OK);
		if (sqlite3_step(stmt) != SQLITE_DONE)
			fail_msg(
			    "SEED=%u step %d breaks: %s", life, step, laws[i]);
		sqlite3_finalize(stmt);
	}
	sqlite3_close(db);
}

static void
live(struct fixture *f, unsigned life)
{
	static void (*const writers[])(struct fixture *) = { milter, milter,
		milter, odmrd, odmrd, odmrd, session, mail_log,
		mail_log, operator, reconcile };
	enum { WRITERS = sizeof(writers) / sizeof(writers[0]) };

	seed = life;
	for (int step = 1; step <= STEPS; step++) {
		writers[any(WRITERS)](f);
		if (step % LOOK == 0)
			look(f, life, step);
	}
}

static void
counts_agree_with_the_tags_through_a_random_life(void **arg)
{
	static unsigned lives;
	const char *again = getenv("SEED");
	struct fixture *f = *arg;
	sqlite3 *db = open_beside(f->database);

	execute(db, beside);
	sqlite3_close(db);
	assert_ok(f, store_domain_add(f->store, "a.org", MODE_ODMR, NULL));
	assert_ok(f, store_domain_add(f->store, "b.org", MODE_BACKUP, NULL));
	live(f,
	    again != NULL ? (unsigned)strtoul(again, NULL, 10)
			  : (unsigned)time(NULL) + lives++);
}

#define LIFE STORE_TEST(counts_agree_with_the_tags_through_a_random_life)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE,
		LIFE,
		LIFE,
		LIFE,
		LIFE,
		LIFE,
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
