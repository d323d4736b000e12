/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "lib/domain.h"
#include "login.h"
#include "lib/login_name.h"

struct grantees {
	char login[LOGIN_SIZE];
	size_t count;
};

static void
take_grantee(const char *login, void *arg)
{
	struct grantees *found = arg;

	if (strlcpy(found->login, login, LOGIN_SIZE) < LOGIN_SIZE)
		found->count++;
}

/* The one account that has `domain`. */
static enum store_result
find_by_domain(struct store *store, const char *domain, account_visit *visit,
    void *arg, const char **why)
{
	struct grantees found = { .count = 0 };
	enum store_result result =
	    store_grantees(store, domain, take_grantee, &found);

	if (result != STORE_OK)
		return result;
	result = store_account_get(
	    store, found.login, found.count == 1 ? visit : NULL, arg);
	if (result == STORE_FAILED || found.count == 1)
		return result;
	if (found.count > 1)
		*why = "several accounts have this domain, its name cannot "
		       "be a login";
	return STORE_NONE;
}

/* What the database is asked for an answer that is known already, it is asked
 * in vain: with no `visit`. */
enum store_result
login_find(struct store *store, const char *given, account_visit *visit,
    void *arg, const char **why)
{
	enum store_result exact, user, domain;
	const char *unused, *no_domain = "";
	char name[LOGIN_SIZE];

	*why = "no such account";
	exact = store_account_get(store, given, visit, arg);
	if (exact != STORE_NONE) {
		visit = NULL;
		why = &unused;
	}
	if (login_user(given, name)) {
		user = store_account_get(store, name, visit, arg);
		domain = find_by_domain(store, no_domain, NULL, arg, &unused);
	} else {
		if (!domain_canonical(given, strlen(given), name, NULL))
			strcpy(name, no_domain);
		user = store_account_get(store, name, visit, arg);
		if (user != STORE_NONE) {
			visit = NULL;
			why = &unused;
		}
		domain = find_by_domain(store, name, visit, arg, why);
	}
	if (exact != STORE_NONE)
		return exact;
	return user != STORE_NONE ? user : domain;
}
