/* SPDX-License-Identifier: ISC */
/*
 * Queue names and their domains.
 */
#include "store_fixture.h"

static void
add_domain(struct fixture *f, const char *name)
{
	assert_ok(f, store_domain_add(f->store, name, MODE_BACKUP, NULL));
}

static void
join(const struct queue_name *row, void *arg)
{
	char *text = arg;

	sprintf(text + strlen(text), "%s=%s ", row->name, row->domain);
}

static void
assert_names(struct fixture *f, const char *name, const char *expected)
{
	char text[256] = "";

	assert_ok(f, store_queue_name_each(f->store, name, join, text));
	assert_string_equal(text, expected);
}

static void
make_names(struct fixture *f)
{
	add_domain(f, "b.org");
	add_domain(f, "a.org");
	assert_ok(f, store_queue_name_add(f->store, "two", "b.org"));
	assert_ok(f, store_queue_name_add(f->store, "two", "a.org"));
	assert_ok(f, store_queue_name_add(f->store, "one", "b.org"));
}

static void
name_is_given_to_domains_that_are_there(void **arg)
{
	struct fixture *f = *arg;

	make_names(f);
	assert_int_equal(
	    store_queue_name_add(f->store, "two", "a.org"), STORE_EXISTS);
	assert_int_equal(
	    store_queue_name_add(f->store, "two", "c.org"), STORE_NONE);
	assert_names(f, NULL, "one=b.org two=a.org two=b.org ");
	assert_names(f, "two", "two=a.org two=b.org ");
	assert_names(f, "none", "");
}

static void
name_is_taken_from_one_domain_or_from_all(void **arg)
{
	struct fixture *f = *arg;

	make_names(f);
	assert_int_equal(
	    store_queue_name_remove(f->store, "one", "a.org"), STORE_NONE);
	assert_ok(f, store_queue_name_remove(f->store, "two", "b.org"));
	assert_names(f, NULL, "one=b.org two=a.org ");
	assert_ok(f, store_queue_name_add(f->store, "two", "b.org"));
	assert_ok(f, store_queue_name_remove(f->store, "two", NULL));
	assert_names(f, NULL, "one=b.org ");
	assert_int_equal(
	    store_queue_name_remove(f->store, "two", NULL), STORE_NONE);
}

/* A fault of the database comes when the first domain is done with. */
static void
change_that_fails_is_taken_back_whole(void **arg)
{
	struct fixture *f = *arg;

	make_names(f);
	execute(f->store->db,
	    "CREATE TEMP TRIGGER fault BEFORE DELETE ON queue_name "
	    "WHEN old.domain = 'b.org' "
	    "BEGIN SELECT RAISE(ABORT, 'such a fault'); END");
	assert_ok(f, store_begin(f->store));
	assert_ok(f, store_queue_name_remove(f->store, "two", "a.org"));
	assert_int_equal(
	    store_queue_name_remove(f->store, "two", "b.org"), STORE_FAILED);
	assert_non_null(strstr(store_error(f->store), "such a fault"));
	store_rollback(f->store);
	assert_names(f, "two", "two=a.org two=b.org ");
}

static void
domain_that_is_removed_leaves_its_names(void **arg)
{
	struct fixture *f = *arg;

	make_names(f);
	assert_ok(f, store_domain_remove(f->store, "b.org"));
	assert_names(f, NULL, "two=a.org ");
	add_domain(f, "b.org");
	assert_names(f, NULL, "two=a.org ");
}

static void
database_that_cannot_be_used_is_not_empty(void **arg)
{
	struct fixture *f = *arg;
	char text[256] = "";

	make_names(f);
	assert_int_equal(unlink(f->database), 0);
	assert_int_equal(
	    store_queue_name_each(f->store, "one", join, text), STORE_FAILED);
	assert_int_equal(
	    store_queue_name_add(f->store, "one", "a.org"), STORE_FAILED);
	assert_int_equal(
	    store_queue_name_remove(f->store, "one", NULL), STORE_FAILED);
	assert_non_null(strstr(store_error(f->store), f->database));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(name_is_given_to_domains_that_are_there),
		STORE_TEST(name_is_taken_from_one_domain_or_from_all),
		STORE_TEST(change_that_fails_is_taken_back_whole),
		STORE_TEST(domain_that_is_removed_leaves_its_names),
		STORE_TEST(database_that_cannot_be_used_is_not_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
