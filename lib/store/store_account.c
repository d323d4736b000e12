/* SPDX-License-Identifier: ISC */
/*
 * Accounts and what they may collect.
 */
#include <time.h>

#include "store_internal.h"

enum store_result
store_account_add(struct store *store, const struct account *account)
{
	return store_run(store,
	    "INSERT INTO account "
	    "(login, scram, password, linger, disabled, created) "
	    "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	    as_text(account->login), as_text(account->scram),
	    as_text(account->password), as_int(account->linger),
	    as_int(account->disabled), as_int(time(NULL)));
}

enum store_result
store_account_secret(struct store *store, const char *login, const char *scram,
    const char *password)
{
	return store_change(store,
	    "UPDATE account SET scram = ?1, password = ?2, "
	    "passwords = passwords + 1 WHERE login = ?3",
	    as_text(scram), as_text(password), as_text(login));
}

enum store_result
store_account_disable(struct store *store, const char *login, bool disabled)
{
	return store_change(store,
	    "UPDATE account SET disabled = ?1 WHERE login = ?2",
	    as_int(disabled), as_text(login));
}

enum store_result
store_account_linger(struct store *store, const char *login, long linger)
{
	return store_change(store,
	    "UPDATE account SET linger = ?1 WHERE login = ?2", as_int(linger),
	    as_text(login));
}

/* The grants follow by ON DELETE CASCADE. What the login may start by ETRN goes
 * first: if the second half fails, the command can be repeated. The other way
 * round a permission would wait for the next who gets that login. */
enum store_result
store_account_remove(struct store *store, const char *login)
{
	enum store_result result;

	result = store_account_get(store, login, NULL, NULL);
	if (result == STORE_OK)
		result = store_etrn_forget(store, login);
	if (result != STORE_OK)
		return result;
	return store_change(
	    store, "DELETE FROM account WHERE login = ?1", as_text(login));
}

#define SELECT_ACCOUNT                                                         \
	"SELECT id, login, scram, password, passwords, linger, disabled, "     \
	"created FROM account "

static bool
read_account(struct query *query, struct account *account)
{
	account->id = query_int_at(query, 0);
	account->login = query_text_at(query, 1);
	account->scram = query_text_at(query, 2);
	account->password = query_text_at(query, 3);
	account->passwords = query_int_at(query, 4);
	account->linger = (long)query_int_at(query, 5);
	account->disabled = query_int_at(query, 6) != 0;
	account->created = query_int_at(query, 7);
	return query_sound(query);
}

/* STORE_NONE: there are none. */
static enum store_result
visit_accounts(struct store *store, const char *sql, struct value login,
    account_visit *visit, void *arg)
{
	enum store_result result, found = STORE_NONE;
	struct account account;
	struct query query;

	if (!query_open(&query, store, sql, login))
		return STORE_FAILED;
	while ((result = query_row(&query)) == STORE_OK) {
		found = STORE_OK;
		if (read_account(&query, &account) && visit != NULL)
			visit(&account, arg);
	}
	result = query_end(&query, result);
	return result == STORE_OK ? found : result;
}

enum store_result
store_account_get(
    struct store *store, const char *login, account_visit *visit, void *arg)
{
	return visit_accounts(store, SELECT_ACCOUNT "WHERE login = ?1",
	    as_text(login), visit, arg);
}

enum store_result
store_account_each(struct store *store, account_visit *visit, void *arg)
{
	return some_or_none(visit_accounts(
	    store, SELECT_ACCOUNT "ORDER BY login", no_value, visit, arg));
}

/* By its certificate or by its password: whichever let it in must still do. */
enum store_result
store_account_stands(
    struct store *store, const struct standing *standing, long *linger)
{
	int64_t seconds;
	enum store_result result = store_number(store, &seconds,
	    "SELECT linger FROM account "
	    "WHERE id = ?1 AND login = ?2 AND NOT disabled "
	    "AND iif(?4 IS NULL, passwords = ?3, EXISTS (SELECT 1 "
	    "FROM certificate WHERE fingerprint = ?4 AND account = ?1))",
	    as_int(standing->account), as_text(standing->login),
	    as_int(standing->passwords), as_text(standing->certificate));

	if (result == STORE_OK)
		*linger = (long)seconds;
	return result;
}

enum store_result
store_grant(struct store *store, int64_t account, const char *domain)
{
	return store_run(store,
	    "INSERT INTO access (account, domain) VALUES (?1, ?2)",
	    as_int(account), as_text(domain));
}

enum store_result
store_revoke(struct store *store, int64_t account, const char *domain)
{
	return store_change(store,
	    "DELETE FROM access WHERE account = ?1 AND domain = ?2",
	    as_int(account), as_text(domain));
}

enum store_result
store_granted(struct store *store, int64_t account, const char *domain)
{
	return store_number(store, NULL,
	    "SELECT 1 FROM access WHERE account = ?1 AND domain = ?2",
	    as_int(account), as_text(domain));
}

enum store_result
store_grants(struct store *store, int64_t account, name_visit *visit, void *arg)
{
	return store_names(store, visit, arg,
	    "SELECT domain FROM access WHERE account = ?1 ORDER BY domain",
	    as_int(account));
}

enum store_result
store_grantees(
    struct store *store, const char *domain, name_visit *visit, void *arg)
{
	return store_names(store, visit, arg,
	    "SELECT login FROM access JOIN account ON id = account "
	    "WHERE domain = ?1 ORDER BY login",
	    as_text(domain));
}

enum store_result
store_decoy_seed(struct store *store, name_visit *visit, void *arg)
{
	return store_name(
	    store, visit, arg, "SELECT seed FROM decoy", no_value);
}
