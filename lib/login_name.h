/* SPDX-License-Identifier: ISC */
/*
 * Logins as text: the forms that clients write them in, with no database.
 */
#ifndef LOGIN_NAME_H
#define LOGIN_NAME_H

#include <stdbool.h>

/* Room for the longest login and its NUL. */
enum { LOGIN_SIZE = 256 };

/* Writes the "user" of user@domain or DOMAIN\user into `out`; false: `given`
 * is neither, or has no room. */
bool login_user(const char *given, char out[LOGIN_SIZE]);

/*
 * What the forms of a login have in common: forms that name the same account
 * by its login give the same text. Returns `given`, or `out`.
 */
const char *login_base(const char *given, char out[LOGIN_SIZE]);

#endif
