/* SPDX-License-Identifier: ISC */
/* Whether who has authenticated some time ago still could. */
#include "store_fixture.h"

static const char fingerprint[] = "0123456789abcdef";

static void
copy_standing(const struct account *account, void *arg)
{
	struct standing *standing = arg;

	standing->account = account->id;
	standing->passwords = account->passwords;
}

/* As which an account named `login` authenticates now. */
static struct standing
get_standing(struct fixture *f, const char *login)
{
	struct standing standing = { .login = login };

	assert_ok(
	    f, store_account_get(f->store, login, copy_standing, &standing));
	return standing;
}

static struct standing
add_account(struct fixture *f, const char *login)
{
	struct account account = {
		.login = login, .scram = "verifier", .linger = 7
	};

	assert_ok(f, store_account_add(f->store, &account));
	return get_standing(f, login);
}

static enum store_result
stands(struct fixture *f, const struct standing *standing)
{
	long linger = 0;
	enum store_result result =
	    store_account_stands(f->store, standing, &linger);

	if (result == STORE_OK)
		assert_int_equal(linger, 7);
	return result;
}

static void
account_that_was_not_touched_stands(void **arg)
{
	struct fixture *f = *arg;
	struct standing a = add_account(f, "a"), b = add_account(f, "b");

	assert_int_equal(stands(f, &a), STORE_OK);
	assert_int_equal(stands(f, &b), STORE_OK);
	b.account = a.account;
	assert_int_equal(stands(f, &b), STORE_NONE);
}

static void
removed_account_does_not_stand_whoever_comes_next(void **arg)
{
	struct fixture *f = *arg;
	struct standing old = add_account(f, "a"), again, other;

	assert_ok(f, store_account_remove(f->store, "a"));
	assert_int_equal(stands(f, &old), STORE_NONE);
	other = add_account(f, "b");
	again = add_account(f, "a");
	assert_int_not_equal(other.account, old.account);
	assert_int_not_equal(again.account, old.account);
	assert_int_equal(stands(f, &old), STORE_NONE);
	assert_int_equal(stands(f, &again), STORE_OK);
}

static void
disabled_account_stands_again_when_it_is_enabled(void **arg)
{
	struct fixture *f = *arg;
	struct standing a = add_account(f, "a");

	assert_ok(f, store_account_disable(f->store, "a", true));
	assert_int_equal(stands(f, &a), STORE_NONE);
	assert_ok(f, store_account_disable(f->store, "a", false));
	assert_int_equal(stands(f, &a), STORE_OK);
}

static void
old_password_does_not_stand_but_a_certificate_does(void **arg)
{
	struct fixture *f = *arg;
	struct standing a = add_account(f, "a"), by_certificate = a;

	by_certificate.certificate = fingerprint;
	assert_int_equal(stands(f, &by_certificate), STORE_NONE);
	assert_ok(f, store_cert_add(f->store, a.account, fingerprint));
	assert_ok(f, store_account_secret(f->store, "a", "another", NULL));
	assert_int_equal(stands(f, &a), STORE_NONE);
	assert_int_equal(stands(f, &by_certificate), STORE_OK);
	a = get_standing(f, "a");
	assert_int_equal(stands(f, &a), STORE_OK);
}

static void
certificate_that_was_removed_or_given_away_does_not_stand(void **arg)
{
	struct fixture *f = *arg;
	struct standing a = add_account(f, "a"), b = add_account(f, "b");

	a.certificate = fingerprint;
	assert_ok(f, store_cert_add(f->store, a.account, fingerprint));
	assert_int_equal(stands(f, &a), STORE_OK);
	assert_ok(f, store_cert_remove(f->store, a.account, fingerprint));
	assert_int_equal(stands(f, &a), STORE_NONE);
	assert_ok(f, store_cert_add(f->store, b.account, fingerprint));
	assert_int_equal(stands(f, &a), STORE_NONE);
}

static void
database_that_cannot_be_used_is_no_answer(void **arg)
{
	struct fixture *f = *arg;
	struct standing a = add_account(f, "a");

	assert_int_equal(unlink(f->database), 0);
	assert_int_equal(stands(f, &a), STORE_FAILED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(account_that_was_not_touched_stands),
		STORE_TEST(removed_account_does_not_stand_whoever_comes_next),
		STORE_TEST(disabled_account_stands_again_when_it_is_enabled),
		STORE_TEST(old_password_does_not_stand_but_a_certificate_does),
		STORE_TEST(
		    certificate_that_was_removed_or_given_away_does_not_stand),
		STORE_TEST(database_that_cannot_be_used_is_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
