/* SPDX-License-Identifier: ISC */
/*
 * The store as such: files, schema upgrades, transactions, and databases that
 * are missing, moved, locked, full or damaged.
 */
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <time.h>

#include "store_fixture.h"

static const char *const one_step[] = { "CREATE TABLE a (x)", NULL };
static const char *const three_steps[] = { "CREATE TABLE a (x)",
	"INSERT INTO a VALUES (2)", "CREATE TABLE c (x)", NULL };
static const char *const bad_third_step[] = { "CREATE TABLE a (x)",
	"INSERT INTO a VALUES (2)", "CREATE NONSENSE", NULL };

static struct tag
a_tag(const char *queue_id)
{
	return (struct tag) { .queue_id = queue_id,
		.domain = "example.org",
		.sender = "",
		.recipients = "a@example.org",
		.recipient_count = 1,
		.client = "192.0.2.1" };
}

static int64_t
held(struct fixture *f)
{
	int64_t count = 0;

	assert_ok(f, store_tag_count(f->store, "example.org", NULL, &count));
	return count;
}

/* ---- files ----------------------------------------------------------- */

static void
journal_is_a_wal(void **arg)
{
	struct fixture *f = *arg;

	assert_answer(f->database, "PRAGMA journal_mode", "wal");
}

static void
init_again_keeps_what_is_there(void **arg)
{
	struct fixture *f = *arg;

	assert_ok(
	    f, store_domain_add(f->store, "example.org", MODE_ODMR, NULL));
	assert_ok(f, store_init(f->store));
	assert_ok(f, store_domain_get(f->store, "example.org", NULL, NULL));
}

static void
assert_owner(const char *path, mode_t mode, const char *user)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
	if (geteuid() != 0)
		return;
	assert_int_equal(st.st_uid, getpwnam(user)->pw_uid);
}

static void
files_have_their_owner_and_mode_also_after_writes(void **arg)
{
	struct fixture *f = *arg;
	struct tag tag = a_tag("1");
	char wal[160];

	assert_int_equal(chmod(f->database, 0666), 0);
	assert_ok(f, store_init(f->store));
	assert_ok(
	    f, store_domain_add(f->store, "example.org", MODE_ODMR, NULL));
	assert_ok(f, store_tag_add(f->store, &tag));
	snprintf(wal, sizeof(wal), "%s-wal", f->database);
	assert_owner(f->dir, 0755, f->user);
	assert_owner(f->database, 0600, f->user);
	assert_owner(wal, 0600, f->user);
}

static void
init_does_not_follow_a_link(void **arg)
{
	struct fixture *f = *arg;
	char target[96];

	snprintf(target, sizeof(target), "%s/target", f->top);
	assert_int_equal(close(open(target, O_CREAT | O_WRONLY, 0644)), 0);
	assert_int_equal(unlink(f->database), 0);
	assert_int_equal(symlink(target, f->database), 0);
	assert_int_equal(store_init(f->store), STORE_FAILED);
	assert_non_null(strstr(store_error(f->store), f->database));
	assert_owner(target, 0644, "root");
	assert_int_equal(unlink(f->database), 0);
	assert_int_equal(link(target, f->database), 0);
	assert_int_equal(store_init(f->store), STORE_FAILED);
	assert_owner(target, 0644, "root");
}

static void
init_as_root_refuses_a_directory_that_the_user_cannot_write(void **arg)
{
	struct fixture *f = *arg;

	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdir(f->dir, 0755), 0);
	assert_int_equal(store_init(f->store), STORE_FAILED);
	assert_non_null(strstr(store_error(f->store), "must belong to user"));
	assert_int_equal(access(f->database, F_OK), -1);
	strcpy(f->user, "no-such-user");
	assert_int_equal(store_init(f->store), STORE_FAILED);
	assert_non_null(strstr(store_error(f->store), "no-such-user"));
}

/* ---- schema ---------------------------------------------------------- */

static void
upgrade_applies_the_steps_that_are_missing(void **arg)
{
	struct fixture *f = *arg;

	f->store->schema = one_step;
	assert_ok(f, store_init(f->store));
	assert_answer(f->database, "PRAGMA user_version", "1");
	assert_answer(f->database, "SELECT count(*) FROM a", "0");
	f->store->schema = three_steps;
	assert_ok(f, store_init(f->store));
	assert_ok(f, store_init(f->store));
	assert_answer(f->database, "PRAGMA user_version", "3");
	assert_answer(f->database, "SELECT count(*) FROM a", "1");
	assert_answer(f->database, "SELECT count(*) FROM c", "0");
}

static void
upgrade_that_fails_changes_nothing(void **arg)
{
	struct fixture *f = *arg;

	f->store->schema = one_step;
	assert_ok(f, store_init(f->store));
	f->store->schema = bad_third_step;
	assert_int_equal(store_init(f->store), STORE_FAILED);
	assert_non_null(strstr(store_error(f->store), "schema version 3"));
	assert_answer(f->database, "PRAGMA user_version", "1");
	assert_answer(f->database, "SELECT count(*) FROM a", "0");
}

static void
newer_schema_is_refused(void **arg)
{
	struct fixture *f = *arg;
	sqlite3 *db = open_beside(f->database);

	execute(db, "PRAGMA user_version = 99");
	sqlite3_close(db);
	store_free(&f->store);
	f->store = store_new(&f->conf, BUSY_MS);
	assert_int_equal(store_session_clear(f->store), STORE_FAILED);
	assert_non_null(
	    strstr(store_error(f->store), "schema version 99, newer"));
	assert_int_equal(store_init(f->store), STORE_FAILED);
	assert_answer(f->database, "PRAGMA user_version", "99");
}

static void
older_schema_is_upgraded_by_init_alone(void **arg)
{
	struct fixture *f = *arg;

	f->store->schema = one_step;
	assert_ok(f, store_init(f->store));
	base_close(f->store);
	f->store->schema = three_steps;
	assert_int_equal(store_session_clear(f->store), STORE_FAILED);
	assert_non_null(strstr(store_error(f->store), "odmrctl init"));
	assert_answer(f->database, "PRAGMA user_version", "1");
}

/* ---- faults ---------------------------------------------------------- */

static void
missing_database_is_not_created_and_not_no(void **arg)
{
	struct fixture *f = *arg;

	store_free(&f->store);
	assert_int_equal(unlink(f->database), 0);
	f->store = store_new(&f->conf, BUSY_MS);
	assert_int_equal(store_granted(f->store, 1, "a.org"), STORE_FAILED);
	assert_non_null(strstr(store_error(f->store), "odmr.db: missing"));
	assert_int_equal(
	    store_domain_get(f->store, "a.org", NULL, NULL), STORE_FAILED);
	assert_non_null(strstr(store_error(f->store), "odmr.db: missing"));
	assert_int_equal(access(f->database, F_OK), -1);
	assert_ok(f, store_init(f->store));
	assert_int_equal(store_granted(f->store, 1, "a.org"), STORE_NONE);
}

static void
deleted_database_is_noticed_and_used_again_when_back(void **arg)
{
	struct fixture *f = *arg;
	struct tag tag = a_tag("1");
	char away[160];

	assert_ok(f, store_tag_add(f->store, &tag));
	snprintf(away, sizeof(away), "%s/away", f->dir);
	assert_int_equal(rename(f->database, away), 0);
	assert_int_equal(store_tag_add(f->store, &tag), STORE_FAILED);
	assert_non_null(strstr(store_error(f->store), "missing"));
	assert_int_equal(store_begin(f->store), STORE_FAILED);
	assert_int_equal(rename(away, f->database), 0);
	assert_int_equal(held(f), 1);
}

static void
replaced_database_is_the_one_that_is_used(void **arg)
{
	struct fixture *f = *arg, *other = NULL;

	assert_ok(
	    f, store_domain_add(f->store, "example.org", MODE_ODMR, NULL));
	assert_int_equal(fixture_make_initialised((void **)&other), 0);
	assert_int_equal(rename(other->database, f->database), 0);
	assert_int_equal(
	    store_domain_get(f->store, "example.org", NULL, NULL), STORE_NONE);
	fixture_remove((void **)&other);
}

static void
write_file(const char *path, const char *data, size_t len)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static void
damaged_database_fails_until_it_is_repaired(void **arg)
{
	struct fixture *f = *arg;
	static char good[1 << 20], bad[1 << 15];
	FILE *file;
	size_t len;

	assert_ok(
	    f, store_domain_add(f->store, "example.org", MODE_ODMR, NULL));
	base_close(f->store); /* all of it is in the file then */
	file = fopen(f->database, "re");
	assert_non_null(file);
	len = fread(good, 1, sizeof(good), file);
	fclose(file);
	memset(bad, 'x', sizeof(bad));
	write_file(f->database, bad, sizeof(bad));
	for (int i = 0; i < 3; i++)
		assert_int_equal(
		    store_domain_get(f->store, "example.org", NULL, NULL),
		    STORE_FAILED);
	assert_non_null(strstr(store_error(f->store), "not a database"));
	assert_int_equal(store_init(f->store), STORE_FAILED);
	write_file(f->database, good, len);
	assert_ok(f, store_domain_get(f->store, "example.org", NULL, NULL));
}

static void
locked_database_fails_in_time_and_works_afterwards(void **arg)
{
	struct fixture *f = *arg;
	sqlite3 *beside = open_beside(f->database);
	struct tag tag = a_tag("1");
	struct timespec before, after;

	clock_gettime(CLOCK_MONOTONIC, &before);
	execute(beside, "BEGIN IMMEDIATE");
	assert_int_equal(
	    store_domain_get(f->store, "example.org", NULL, NULL), STORE_NONE);
	assert_int_equal(store_tag_add(f->store, &tag), STORE_FAILED);
	assert_non_null(strstr(store_error(f->store), "locked"));
	assert_int_equal(store_begin(f->store), STORE_FAILED);
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true((after.tv_sec - before.tv_sec) * 1000 +
		(after.tv_nsec - before.tv_nsec) / 1000000 >=
	    2 * BUSY_MS);
	assert_int_equal(held(f), 0);
	sqlite3_close(beside);
	assert_int_equal(
	    store_domain_get(f->store, "example.org", NULL, NULL), STORE_NONE);
	assert_ok(f, store_tag_add(f->store, &tag));
}

static void
full_disk_fails_and_spoils_the_transaction(void **arg)
{
	struct fixture *f = *arg;
	static char recipients[1 << 20];
	struct tag tag = a_tag("1"), large = a_tag("2");

	memset(recipients, 'r', sizeof(recipients) - 1);
	large.recipients = recipients;
	assert_int_equal(held(f), 0);
	execute(f->store->db, "PRAGMA max_page_count = 20");
	assert_ok(f, store_begin(f->store));
	assert_ok(f, store_tag_add(f->store, &tag));
	assert_int_equal(store_tag_add(f->store, &large), STORE_FAILED);
	assert_non_null(strstr(store_error(f->store), "full"));
	assert_int_equal(store_tag_add(f->store, &tag), STORE_FAILED);
	assert_int_equal(store_commit(f->store), STORE_FAILED);
	assert_int_equal(held(f), 0);
	execute(f->store->db, "PRAGMA max_page_count = 10000");
	assert_ok(f, store_tag_add(f->store, &large));
}

static void
missing_table_fails_and_is_not_none(void **arg)
{
	struct fixture *f = *arg;
	sqlite3 *db = open_beside(f->database);

	assert_int_equal(store_granted(f->store, 1, "a.org"), STORE_NONE);
	execute(db, "DROP TABLE access");
	sqlite3_close(db);
	assert_int_equal(store_granted(f->store, 1, "a.org"), STORE_FAILED);
	assert_int_equal(store_granted(f->store, 1, "a.org"), STORE_FAILED);
}

/* A temporary table lives as long as its connection. */
static bool
has_mark(struct fixture *f)
{
	return sqlite3_exec(f->store->db, "SELECT * FROM mark", NULL, NULL,
		   NULL) == SQLITE_OK;
}

static void
fault_makes_a_new_connection_and_a_lock_does_not(void **arg)
{
	struct fixture *f = *arg;
	sqlite3 *db = open_beside(f->database);

	execute(f->store->db, "CREATE TEMP TABLE mark (x)");
	execute(db, "BEGIN IMMEDIATE");
	assert_int_equal(store_session_clear(f->store), STORE_FAILED);
	execute(db, "ROLLBACK");
	assert_ok(f, store_session_clear(f->store));
	assert_true(has_mark(f));
	execute(db, "DROP TABLE session");
	sqlite3_close(db);
	assert_int_equal(store_session_clear(f->store), STORE_FAILED);
	assert_int_equal(held(f), 0);
	assert_false(has_mark(f));
}

/* ---- transactions ---------------------------------------------------- */

static void
transaction_is_all_or_nothing(void **arg)
{
	struct fixture *f = *arg;
	struct tag one = a_tag("1"), two = a_tag("2");

	assert_ok(f, store_begin(f->store));
	assert_ok(f, store_tag_add(f->store, &one));
	store_rollback(f->store);
	assert_int_equal(held(f), 0);
	assert_ok(f, store_begin(f->store));
	assert_ok(f, store_tag_add(f->store, &one));
	assert_ok(f, store_tag_add(f->store, &two));
	assert_answer(f->database, "SELECT count(*) FROM tag", "0");
	assert_ok(f, store_commit(f->store));
	assert_answer(f->database, "SELECT count(*) FROM tag", "2");
}

/* A sender of NULL breaks a constraint: that statement fails, SQLite's
 * transaction lives on, and what is left of it must not be committed. */
static void
call_that_failed_makes_commit_fail(void **arg)
{
	struct fixture *f = *arg;
	struct tag one = a_tag("1"), two = a_tag("2");

	two.sender = NULL;
	assert_ok(f, store_begin(f->store));
	assert_ok(f, store_tag_add(f->store, &one));
	assert_int_equal(store_tag_add(f->store, &two), STORE_FAILED);
	assert_int_equal(store_commit(f->store), STORE_FAILED);
	assert_non_null(strstr(store_error(f->store), "NOT NULL"));
	assert_int_equal(held(f), 0);
	assert_ok(f, store_tag_add(f->store, &one));
}

static void
count_tag(const struct tag *tag, void *arg)
{
	(void)tag;
	++*(int *)arg;
}

struct nested {
	struct fixture *f;
	int outer, inner;
};

static void
count_inner(const struct tag *tag, void *arg)
{
	struct nested *nested = arg;

	(void)tag;
	assert_true(++nested->outer <= 3);
	assert_ok(nested->f,
	    store_tag_each(nested->f->store, NULL, count_tag, &nested->inner));
}

static void
visitor_may_run_the_same_query(void **arg)
{
	struct nested nested = { .f = *arg };
	struct tag tags[] = { a_tag("1"), a_tag("2"), a_tag("3") };

	for (int i = 0; i < 3; i++)
		assert_ok(nested.f, store_tag_add(nested.f->store, &tags[i]));
	assert_ok(nested.f,
	    store_tag_each(nested.f->store, NULL, count_inner, &nested));
	assert_int_equal(nested.outer, 3);
	assert_int_equal(nested.inner, 9);
}

#define fresh(test)                                                            \
	cmocka_unit_test_setup_teardown(test, fixture_make, fixture_remove)
int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(journal_is_a_wal),
		STORE_TEST(init_again_keeps_what_is_there),
		STORE_TEST(files_have_their_owner_and_mode_also_after_writes),
		STORE_TEST(init_does_not_follow_a_link),
		fresh(
		    init_as_root_refuses_a_directory_that_the_user_cannot_write),
		fresh(upgrade_applies_the_steps_that_are_missing),
		fresh(upgrade_that_fails_changes_nothing),
		STORE_TEST(newer_schema_is_refused),
		fresh(older_schema_is_upgraded_by_init_alone),
		STORE_TEST(missing_database_is_not_created_and_not_no),
		STORE_TEST(
		    deleted_database_is_noticed_and_used_again_when_back),
		STORE_TEST(replaced_database_is_the_one_that_is_used),
		STORE_TEST(damaged_database_fails_until_it_is_repaired),
		STORE_TEST(locked_database_fails_in_time_and_works_afterwards),
		STORE_TEST(full_disk_fails_and_spoils_the_transaction),
		STORE_TEST(missing_table_fails_and_is_not_none),
		STORE_TEST(fault_makes_a_new_connection_and_a_lock_does_not),
		STORE_TEST(transaction_is_all_or_nothing),
		STORE_TEST(call_that_failed_makes_commit_fail),
		STORE_TEST(visitor_may_run_the_same_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
