/* SPDX-License-Identifier: ISC */
/*
 * Logins as clients write them. The account that one names is, in this order:
 *
 *	login		the account of exactly this login
 *	user@domain	the account "user" (Exchange, and people)
 *	DOMAIN\user	the account "user" (Exchange)
 *	domain		the one account that has this domain (MDaemon, which
 *			knows no other login)
 */
#ifndef LOGIN_H
#define LOGIN_H

#include "store.h"

/* Room for the longest login and its NUL. */
enum { LOGIN_SIZE = 256 };

/* `*why` tells, for the log, what STORE_NONE comes from. */
enum store_result login_find(struct store *store, const char *given,
    account_visit *visit, void *arg, const char **why);

/*
 * What the forms of a login have in common: forms that could name the same
 * account give the same text. Returns `given`, or `out`.
 */
const char *login_base(const char *given, char out[LOGIN_SIZE]);

#endif
