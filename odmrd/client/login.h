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

#include "lib/store/store.h"

/* `*why` tells, for the log, what STORE_NONE comes from. Whatever is found,
 * the database is asked the same questions: the time it takes does not tell. */
enum store_result login_find(struct store *store, const char *given,
    account_visit *visit, void *arg, const char **why);

#endif
