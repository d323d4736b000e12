/* SPDX-License-Identifier: ISC */
/*
 * Who may have which domain's mail started by ETRN.
 */
#include <time.h>

#include "store_fixture.h"

static void
copy_id(const struct account *account, void *arg)
{
	*(int64_t *)arg = account->id;
}

static int64_t
add_account(struct fixture *f, const char *login, const char *domain)
{
	struct account account = { .login = login, .scram = "verifier" };
	int64_t id = 0;

	assert_ok(f, store_account_add(f->store, &account));
	assert_ok(f, store_account_get(f->store, login, copy_id, &id));
	assert_ok(f, store_grant(f->store, id, domain));
	return id;
}

static void
add_domain(struct fixture *f, const char *name)
{
	assert_ok(f, store_domain_add(f->store, name, MODE_BACKUP, NULL));
}

/* Of a client that is known by its address only. */
static enum store_result
address_may(struct fixture *f, const char *address, const char *domain)
{
	const struct etrn_client client = { .address = address };

	return store_etrn_may(f->store, &client, domain);
}

static enum store_result
login_may(
    struct fixture *f, const char *login, int64_t account, const char *domain)
{
	const struct etrn_client client = {
		.address = "198.51.100.1", .login = login, .account = account
	};

	return store_etrn_may(f->store, &client, domain);
}

static void
join(const struct etrn_permission *permission, void *arg)
{
	char *text = arg;

	sprintf(
	    text + strlen(text), "%s=%s ", permission->domain, permission->who);
}

static void
join_name(const char *name, void *arg)
{
	char *text = arg;

	sprintf(text + strlen(text), "%s ", name);
}

/* ---- permissions ----------------------------------------------------- */

static void
permission_is_given_once_listed_and_taken_back(void **arg)
{
	struct fixture *f = *arg;
	char all[256] = "", one[256] = "";

	add_domain(f, "b.org");
	add_domain(f, "a.org");
	assert_ok(f, store_etrn_allow(f->store, "b.org", "10.0.0.0/8"));
	assert_ok(f, store_etrn_allow(f->store, "a.org", "login:x"));
	assert_ok(f, store_etrn_allow(f->store, "a.org", "10.0.0.0/8"));
	assert_int_equal(
	    store_etrn_allow(f->store, "a.org", "10.0.0.0/8"), STORE_EXISTS);
	assert_int_equal(
	    store_etrn_allow(f->store, "c.org", "10.0.0.0/8"), STORE_NONE);
	assert_ok(f, store_etrn_each(f->store, NULL, join, all));
	assert_string_equal(
	    all, "a.org=10.0.0.0/8 a.org=login:x b.org=10.0.0.0/8 ");
	assert_ok(f, store_etrn_each(f->store, "b.org", join, one));
	assert_string_equal(one, "b.org=10.0.0.0/8 ");
	assert_ok(f, store_etrn_deny(f->store, "a.org", "10.0.0.0/8"));
	assert_int_equal(
	    store_etrn_deny(f->store, "a.org", "10.0.0.0/8"), STORE_NONE);
	assert_int_equal(address_may(f, "10.1.2.3", "a.org"), STORE_NONE);
	assert_int_equal(address_may(f, "10.1.2.3", "b.org"), STORE_OK);
}

static void
network_allows_the_addresses_in_it(void **arg)
{
	struct fixture *f = *arg;

	add_domain(f, "a.org");
	assert_ok(f, store_etrn_allow(f->store, "a.org", "192.0.2.0/25"));
	assert_ok(f, store_etrn_allow(f->store, "a.org", "2001:db8::/32"));
	assert_int_equal(address_may(f, "192.0.2.127", "a.org"), STORE_OK);
	assert_int_equal(address_may(f, "::ffff:192.0.2.5", "a.org"), STORE_OK);
	assert_int_equal(address_may(f, "192.0.2.128", "a.org"), STORE_NONE);
	assert_int_equal(address_may(f, "2001:db8::1", "a.org"), STORE_OK);
	assert_int_equal(address_may(f, "2001:db9::1", "a.org"), STORE_NONE);
	assert_int_equal(address_may(f, "unknown", "a.org"), STORE_NONE);
	assert_int_equal(address_may(f, NULL, "a.org"), STORE_NONE);
	assert_int_equal(address_may(f, "192.0.2.1", "b.org"), STORE_NONE);
}

static void
login_and_grant_allow_from_anywhere(void **arg)
{
	struct fixture *f = *arg;
	int64_t id;

	add_domain(f, "a.org");
	add_domain(f, "b.org");
	id = add_account(f, "alice", "a.org");
	assert_ok(f, store_etrn_allow(f->store, "b.org", "login:bob"));
	assert_int_equal(login_may(f, "alice", id, "a.org"), STORE_OK);
	assert_int_equal(login_may(f, "alice", id, "b.org"), STORE_NONE);
	assert_int_equal(login_may(f, "bob", 0, "b.org"), STORE_OK);
	assert_int_equal(login_may(f, "bob", 0, "a.org"), STORE_NONE);
	assert_int_equal(login_may(f, "bo", 0, "b.org"), STORE_NONE);
	/* Nor does a login that looks like something else get through. */
	assert_int_equal(login_may(f, "bob\",\"x", 0, "b.org"), STORE_NONE);
	assert_int_equal(login_may(f, "", 0, "b.org"), STORE_NONE);
	assert_int_equal(login_may(f, NULL, 0, "b.org"), STORE_NONE);
}

static enum store_result
may_any(struct fixture *f, const char *address, const char *login, int64_t id)
{
	const struct etrn_client client = { address, login, id };

	return store_etrn_may_any(f->store, &client);
}

static void
who_may_nothing_is_told_apart(void **arg)
{
	struct fixture *f = *arg;
	int64_t id;

	add_domain(f, "a.org");
	id = add_account(f, "alice", "a.org");
	assert_ok(f, store_etrn_allow(f->store, "a.org", "192.0.2.0/24"));
	assert_ok(f, store_etrn_allow(f->store, "a.org", "login:bob"));
	assert_int_equal(may_any(f, "192.0.2.1", NULL, 0), STORE_OK);
	assert_int_equal(may_any(f, "192.0.3.1", NULL, 0), STORE_NONE);
	assert_int_equal(may_any(f, NULL, "alice", id), STORE_OK);
	assert_int_equal(may_any(f, NULL, "bob", 0), STORE_OK);
	assert_int_equal(may_any(f, NULL, "eve", id + 1), STORE_NONE);
}

static void
permission_goes_with_its_domain(void **arg)
{
	struct fixture *f = *arg;

	add_domain(f, "a.org");
	assert_ok(f, store_etrn_allow(f->store, "a.org", "0.0.0.0/0"));
	assert_ok(f, store_domain_remove(f->store, "a.org"));
	add_domain(f, "a.org");
	assert_int_equal(address_may(f, "192.0.2.1", "a.org"), STORE_NONE);
}

static void
permission_of_a_login_goes_with_its_account(void **arg)
{
	struct fixture *f = *arg;

	add_domain(f, "a.org");
	add_account(f, "bob", "a.org");
	assert_ok(f, store_etrn_allow(f->store, "a.org", "login:bob"));
	assert_ok(f, store_etrn_allow(f->store, "a.org", "login:bobby"));
	/* Known to Postfix only. */
	assert_int_equal(store_account_remove(f->store, "bobby"), STORE_NONE);
	assert_int_equal(login_may(f, "bobby", 0, "a.org"), STORE_OK);
	assert_ok(f, store_account_remove(f->store, "bob"));
	assert_int_equal(login_may(f, "bob", 0, "a.org"), STORE_NONE);
	assert_int_equal(login_may(f, "bobby", 0, "a.org"), STORE_OK);
}

static void
database_that_cannot_be_used_is_no_permission_and_no_refusal(void **arg)
{
	struct fixture *f = *arg;

	add_domain(f, "a.org");
	assert_ok(f, store_etrn_allow(f->store, "a.org", "0.0.0.0/0"));
	assert_int_equal(unlink(f->database), 0);
	assert_int_equal(address_may(f, "192.0.2.1", "a.org"), STORE_FAILED);
	assert_non_null(strstr(store_error(f->store), f->database));
	assert_int_equal(may_any(f, "192.0.2.1", NULL, 0), STORE_FAILED);
}

static void
domains_of_a_client_come_once_each(void **arg)
{
	struct fixture *f = *arg;
	struct etrn_client client = { .address = "192.0.2.1",
		.login = "alice" };
	char text[256] = "";

	add_domain(f, "a.org");
	add_domain(f, "b.org");
	add_domain(f, "c.org");
	client.account = add_account(f, "alice", "a.org");
	assert_ok(f, store_etrn_allow(f->store, "a.org", "192.0.2.0/24"));
	assert_ok(f, store_etrn_allow(f->store, "b.org", "192.0.2.0/24"));
	assert_ok(f, store_etrn_allow(f->store, "b.org", "192.0.2.1/32"));
	assert_ok(f, store_etrn_allow(f->store, "b.org", "login:alice"));
	assert_ok(f, store_etrn_allow(f->store, "c.org", "192.0.3.0/24"));
	assert_ok(f, store_etrn_domains(f->store, &client, join_name, text));
	assert_string_equal(text, "a.org b.org ");
}

/* ---- size ------------------------------------------------------------ */

static double
milliseconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* All of 10,000 networks are one domain's, and each of 10,000 domains has one;
 * the address needs every step of the widest search. */
static void
look_up_among_10000_domains_and_networks_takes_2_ms_at_most(void **arg)
{
	struct fixture *f = *arg;
	sqlite3 *db = open_beside(f->database);
	double took[101], begin;

	execute(db,
	    "BEGIN;"
	    "WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
	    "LIMIT 10000) INSERT INTO domain (id, name, mode, nexthop, socket, "
	    "created) SELECT i, 'd' || i || '.org', "
	    "'backup', NULL, 'd' || i, 0 FROM n;"
	    "INSERT INTO etrn SELECT name, '2001:db8:' || id || '::/48' "
	    "FROM domain;"
	    "INSERT INTO etrn SELECT 'd1.org', '2001:db7:' || id || '::/48' "
	    "FROM domain;"
	    "COMMIT");
	sqlite3_close(db);
	for (size_t i = 0; i < sizeof(took) / sizeof(took[0]); i++) {
		begin = milliseconds();
		assert_int_equal(
		    address_may(f, "2001:db9::1", "d1.org"), STORE_NONE);
		assert_int_equal(
		    address_may(f, "2001:db8:9999::1", "d9999.org"), STORE_OK);
		assert_int_equal(
		    may_any(f, "2001:db9::1", NULL, 0), STORE_NONE);
		took[i] = milliseconds() - begin;
	}
	qsort(took, sizeof(took) / sizeof(took[0]), sizeof(took[0]), compare);
	print_message("median of three look-ups: %.3f ms\n", took[50]);
	assert_true(took[50] <= 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(permission_is_given_once_listed_and_taken_back),
		STORE_TEST(network_allows_the_addresses_in_it),
		STORE_TEST(login_and_grant_allow_from_anywhere),
		STORE_TEST(who_may_nothing_is_told_apart),
		STORE_TEST(permission_goes_with_its_domain),
		STORE_TEST(permission_of_a_login_goes_with_its_account),
		STORE_TEST(
		    database_that_cannot_be_used_is_no_permission_and_no_refusal),
		STORE_TEST(domains_of_a_client_come_once_each),
		STORE_TEST(
		    look_up_among_10000_domains_and_networks_takes_2_ms_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
