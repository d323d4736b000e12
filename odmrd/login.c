/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "domain.h"
#include "login.h"

/* The account's login within user@domain or DOMAIN\user; false: neither. */
static bool
find_user(const char *given, char out[LOGIN_SIZE])
{
	const char *user = strchr(given, '\\'), *end = NULL;
	size_t len;

	if (user != NULL)
		user++;
	else {
		user = given;
		end = strrchr(given, '@');
		if (end == NULL)
			return false;
	}
	len = end != NULL ? (size_t)(end - user) : strlen(user);
	if (len >= LOGIN_SIZE)
		return false;
	memcpy(out, user, len);
	out[len] = '\0';
	return true;
}

const char *
login_base(const char *given, char out[LOGIN_SIZE])
{
	_Static_assert((int)LOGIN_SIZE >= (int)DOMAIN_SIZE, "a login's room");

	if (find_user(given, out) ||
	    domain_canonical(given, strlen(given), out, NULL))
		return out;
	return given;
}

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

static enum store_result
find_by_domain(struct store *store, const char *domain, account_visit *visit,
    void *arg, const char **why)
{
	struct grantees found = { .count = 0 };
	enum store_result result =
	    store_grantees(store, domain, take_grantee, &found);

	if (result != STORE_OK)
		return result;
	if (found.count == 1)
		return store_account_get(store, found.login, visit, arg);
	if (found.count > 1)
		*why = "several accounts have this domain, its name cannot "
		       "be a login";
	return STORE_NONE;
}

enum store_result
login_find(struct store *store, const char *given, account_visit *visit,
    void *arg, const char **why)
{
	char name[LOGIN_SIZE];
	enum store_result result;

	*why = "no such account";
	result = store_account_get(store, given, visit, arg);
	if (result != STORE_NONE)
		return result;
	if (find_user(given, name))
		return store_account_get(store, name, visit, arg);
	if (!domain_canonical(given, strlen(given), name, NULL))
		return STORE_NONE;
	result = store_account_get(store, name, visit, arg);
	return result == STORE_NONE
	    ? find_by_domain(store, name, visit, arg, why)
	    : result;
}
