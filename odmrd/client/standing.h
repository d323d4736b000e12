/* SPDX-License-Identifier: ISC */
/*
 * The standing of those who are in session. A session may last for days, and
 * the operator takes accounts, passwords, certificates, grants and domains away
 * meanwhile. So whatever collects or sends asks the database again before it
 * does, and a recheck asks about everybody who has logged in: when odmrctl says
 * that something has changed (control.h), and each minute. Who has lost its
 * standing hears 421 before the turn; after it, what is in flight is finished,
 * within stop_timeout, and then comes QUIT.
 */
#ifndef STANDING_H
#define STANDING_H

#include "lib/store/store.h"

struct identity;
struct recheck;
struct server;
struct standing_watch;
struct wanted;

/* The reason of such an end. */
#define STANDING_LOST "withdrawn"

/* ---- on a worker --------------------------------------------------------- */

/* STORE_OK: may still be in session, and has who->linger from now on.
 * STORE_NONE: may not. */
enum store_result standing_ask(struct store *, struct identity *who);
/* STORE_OK: the account may collect wanted->name, at wanted->socket. */
enum store_result standing_find(
    struct store *, int64_t account, struct wanted *wanted);

/* ---- in the loop --------------------------------------------------------- */

/* Rechecks each minute, and a second after one that failed. NULL: out of
 * memory. Freed when no job is left. */
struct standing_watch *standing_watch_new(struct server *server);
void standing_watch_free(struct standing_watch **watch);

/* Who waits for a recheck; may be NULL. */
struct recheck_role {
	/* This session is told to end. */
	void (*ended)(void *owner, const struct identity *who);
	/* It is over. `fault` is NULL, or why not all could be asked about:
	 * the rest is asked about again. */
	void (*done)(void *owner, const char *fault);
};

/* NULL: out of memory. */
struct recheck *standing_recheck(
    struct server *server, const struct recheck_role *role, void *owner);
/* Its owner goes. `*recheck` becomes NULL. */
void recheck_forget(struct recheck **recheck);

#endif
