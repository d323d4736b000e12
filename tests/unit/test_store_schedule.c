/* SPDX-License-Identifier: ISC */
/* Schedules in the store. */
#include "store_fixture.h"

static void
add(struct fixture *f, const char *domain, const char *fields, int64_t last)
{
	assert_ok(f,
	    store_schedule_add(
		f->store, &(struct schedule) { domain, fields, last }));
}

/* "domain fields last" of each, a line each. */
static void
write_schedule(const struct schedule *schedule, void *arg)
{
	char *out = arg;

	sprintf(out + strlen(out), "%s %s %lld\n", schedule->domain,
	    schedule->fields, (long long)schedule->last);
}

static void
expect(struct fixture *f, const char *domain, const char *rows)
{
	char out[512] = "";

	assert_ok(
	    f, store_schedule_each(f->store, domain, write_schedule, out));
	assert_string_equal(out, rows);
}

static void
schedules_come_in_the_order_of_their_domains(void **arg)
{
	struct fixture *f = *arg;

	expect(f, NULL, "");
	add(f, "b.org", "0 0 * * *", 10);
	add(f, "a.org", "5 0 * * *", 20);
	add(f, "b.org", "* * * * *", 30);
	expect(f, NULL,
	    "a.org 5 0 * * * 20\nb.org * * * * * 30\nb.org 0 0 * * * 10\n");
	expect(f, "b.org", "b.org * * * * * 30\nb.org 0 0 * * * 10\n");
	expect(f, "c.org", "");
}

static void
same_schedule_is_there_once_and_keeps_its_last(void **arg)
{
	struct fixture *f = *arg;

	add(f, "a.org", "0 0 * * *", 10);
	assert_int_equal(store_schedule_add(f->store,
			     &(struct schedule) { "a.org", "0 0 * * *", 20 }),
	    STORE_EXISTS);
	expect(f, NULL, "a.org 0 0 * * * 10\n");
}

static void
one_schedule_or_all_of_a_domain_are_removed(void **arg)
{
	struct fixture *f = *arg;

	add(f, "a.org", "0 0 * * *", 1);
	add(f, "a.org", "1 0 * * *", 1);
	add(f, "a.org", "2 0 * * *", 1);
	add(f, "b.org", "0 0 * * *", 1);
	assert_ok(f, store_schedule_remove(f->store, "a.org", "1 0 * * *"));
	assert_int_equal(
	    store_schedule_remove(f->store, "a.org", "1 0 * * *"), STORE_NONE);
	expect(f, "a.org", "a.org 0 0 * * * 1\na.org 2 0 * * * 1\n");
	assert_ok(f, store_schedule_remove(f->store, "a.org", NULL));
	assert_int_equal(
	    store_schedule_remove(f->store, "a.org", NULL), STORE_NONE);
	expect(f, NULL, "b.org 0 0 * * * 1\n");
}

static void
schedules_go_with_their_domain(void **arg)
{
	struct fixture *f = *arg;

	assert_ok(f, store_domain_add(f->store, "a.org", MODE_HOLD, NULL));
	assert_ok(f, store_domain_add(f->store, "b.org", MODE_HOLD, NULL));
	add(f, "a.org", "0 0 * * *", 1);
	add(f, "b.org", "0 0 * * *", 1);
	assert_ok(f, store_domain_remove(f->store, "a.org"));
	expect(f, NULL, "b.org 0 0 * * * 1\n");
}

/* What was added since stays where it is. */
static void
done_moves_the_domain_forward_only(void **arg)
{
	struct fixture *f = *arg;

	add(f, "a.org", "0 0 * * *", 10);
	add(f, "a.org", "1 0 * * *", 30);
	add(f, "b.org", "0 0 * * *", 10);
	assert_ok(f, store_schedule_done(f->store, "a.org", 20));
	expect(f, NULL,
	    "a.org 0 0 * * * 20\na.org 1 0 * * * 30\nb.org 0 0 * * * 10\n");
}

static void
winding_back_reaches_what_lies_more_than_a_minute_ahead(void **arg)
{
	struct fixture *f = *arg;

	add(f, "a.org", "0 0 * * *", 900);
	add(f, "b.org", "0 0 * * *", 1060);
	add(f, "c.org", "0 0 * * *", 1061);
	assert_ok(f, store_schedule_wind_back(f->store, 1000));
	expect(f, NULL,
	    "a.org 0 0 * * * 900\nb.org 0 0 * * * 1060\n"
	    "c.org 0 0 * * * 1000\n");
}

static void
missing_database_is_a_failure_not_an_empty_list(void **arg)
{
	struct fixture *f = *arg;
	char out[512] = "";

	add(f, "a.org", "0 0 * * *", 1);
	assert_int_equal(unlink(f->state), 0);
	assert_int_equal(
	    store_schedule_each(f->store, NULL, write_schedule, out),
	    STORE_FAILED);
	assert_int_equal(
	    store_schedule_done(f->store, "a.org", 2), STORE_FAILED);
	assert_int_equal(store_schedule_wind_back(f->store, 2), STORE_FAILED);
	assert_int_equal(
	    store_schedule_remove(f->store, "a.org", NULL), STORE_FAILED);
	assert_string_equal(out, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(schedules_come_in_the_order_of_their_domains),
		STORE_TEST(same_schedule_is_there_once_and_keeps_its_last),
		STORE_TEST(one_schedule_or_all_of_a_domain_are_removed),
		STORE_TEST(schedules_go_with_their_domain),
		STORE_TEST(done_moves_the_domain_forward_only),
		STORE_TEST(
		    winding_back_reaches_what_lies_more_than_a_minute_ahead),
		STORE_TEST(missing_database_is_a_failure_not_an_empty_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
