/* SPDX-License-Identifier: ISC */
/* Leave for mail on hold, which is written while Postfix reads. */
#include "store_fixture.h"

/* SQLite's calls end here. */
static int synced;

int
fsync(int fd)
{
	(void)fd;
	synced++;
	return 0;
}

int
fdatasync(int fd)
{
	return fsync(fd);
}

enum { NOW = 1700000000, FILE_MAX = 1 << 20 };

static void
add(struct fixture *f, const char *name, enum domain_mode mode)
{
	assert_ok(f, store_domain_add(f->store, name, mode, NULL));
}

static size_t
load(const char *path, unsigned char *bytes)
{
	FILE *file = fopen(path, "r");
	size_t len;

	assert_non_null(file);
	len = fread(bytes, 1, FILE_MAX, file);
	fclose(file);
	return len;
}

/* The counters of changes, in the head of the file. */
static bool
is_counter(size_t at)
{
	return (at >= 24 && at < 28) || (at >= 92 && at < 96);
}

static void
leave_changes_eight_bytes_in_their_place(void **arg)
{
	static unsigned char before[FILE_MAX], after[FILE_MAX];
	struct fixture *f = *arg;
	size_t len, first = 0, last = 0;
	char name[32];

	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "d%d.test", i);
		add(f, name, MODE_HOLD);
	}
	len = load(f->relay, before);
	assert_in_range(len, 20000, FILE_MAX - 1);
	assert_ok(f, store_domain_release(f->store, "d250.test", NOW));
	assert_int_equal(load(f->relay, after), len);
	for (size_t i = 0; i < len; i++)
		if (before[i] != after[i] && !is_counter(i)) {
			first = first == 0 ? i : first;
			last = i;
		}
	assert_int_not_equal(first, 0);
	assert_in_range(last - first, 0, 7);
	assert_answer(f->relay,
	    "SELECT name || '/' || released FROM domain WHERE released > 1",
	    "d250.test/1700000239.5");
}

static void
leave_does_not_wait_for_the_disk_as_other_changes_do(void **arg)
{
	struct fixture *f = *arg;

	add(f, "a.test", MODE_HOLD);
	synced = 0;
	assert_ok(f, store_domain_release(f->store, "a.test", NOW));
	assert_int_equal(synced, 0);
	add(f, "b.test", MODE_HOLD);
	/* The journal, the database, and the journal's directory entry. */
	assert_in_range(synced, 3, 5);
}

static void
leave_is_given_once_a_minute_to_what_is_on_hold(void **arg)
{
	struct fixture *f = *arg;

	add(f, "a.test", MODE_HOLD);
	add(f, "b.test", MODE_BACKUP);
	assert_ok(f, store_domain_release(f->store, "a.test", NOW));
	assert_int_equal(
	    store_domain_release(f->store, "a.test", NOW), STORE_NONE);
	assert_int_equal(
	    store_domain_release(f->store, "a.test", NOW + 60), STORE_NONE);
	assert_ok(f, store_domain_release(f->store, "a.test", NOW + 61));
	/* The clock was set back. */
	assert_ok(f, store_domain_release(f->store, "a.test", NOW - 3600));
	assert_int_equal(
	    store_domain_release(f->store, "b.test", NOW), STORE_NONE);
	assert_int_equal(
	    store_domain_release(f->store, "c.test", NOW), STORE_NONE);
}

static void
what_is_locked_is_a_failure(void **arg)
{
	struct fixture *f = *arg;
	sqlite3 *other;

	add(f, "a.test", MODE_HOLD);
	other = open_beside(f->relay);
	execute(other, "BEGIN IMMEDIATE");
	assert_int_equal(
	    store_domain_release(f->store, "a.test", NOW), STORE_FAILED);
	assert_non_null(strstr(store_error(f->store), "locked"));
	execute(other, "COMMIT");
	sqlite3_close(other);
	assert_ok(f, store_domain_release(f->store, "a.test", NOW));
}

/* A client may say ETRN a hundred times a second: another process's lock, as a
 * writer has it, is not even met. */
static void
leave_that_nobody_needs_takes_no_lock(void **arg)
{
	struct fixture *f = *arg;
	sqlite3 *beside;

	add(f, "hold.test", MODE_HOLD);
	add(f, "odmr.test", MODE_ODMR);
	assert_ok(f, store_domain_release(f->store, "hold.test", NOW));
	beside = open_beside(f->relay);
	execute(beside, "BEGIN IMMEDIATE");
	assert_int_equal(
	    store_domain_release(f->store, "hold.test", NOW + 1), STORE_NONE);
	assert_int_equal(
	    store_domain_release(f->store, "odmr.test", NOW + 1), STORE_NONE);
	assert_int_equal(store_domain_release(f->store, "hold.test", NOW + 90),
	    STORE_FAILED);
	sqlite3_close(beside);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(leave_that_nobody_needs_takes_no_lock),
		STORE_TEST(leave_changes_eight_bytes_in_their_place),
		STORE_TEST(
		    leave_does_not_wait_for_the_disk_as_other_changes_do),
		STORE_TEST(leave_is_given_once_a_minute_to_what_is_on_hold),
		STORE_TEST(what_is_locked_is_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
