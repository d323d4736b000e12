/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "domain.h"
#include "login_name.h"

_Static_assert((int)LOGIN_SIZE >= (int)DOMAIN_SIZE, "a login's room");

bool
login_user(const char *given, char out[LOGIN_SIZE])
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
	if (login_user(given, out) ||
	    domain_canonical(given, strlen(given), out, NULL))
		return out;
	return given;
}
