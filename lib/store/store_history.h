/* SPDX-License-Identifier: ISC */
/* What sessions have taught of servers and of messages. */
#ifndef STORE_HISTORY_H
#define STORE_HISTORY_H

#include "store_common.h"
#include "suspicion.h"

struct workaround {
	int64_t account;    /* 0: of a domain that is dialled, */
	const char *domain; /* which is "" otherwise */
	const char *what;   /* see odmrd/delivery/workaround.h */
	const char *why;
	int64_t since;
	int64_t until;
};

typedef void workaround_visit(const struct workaround *, void *arg);

struct suspect {
	const char *queue_id;
	enum suspicion suspicion;
	int64_t faulted; /* when last */
};

typedef void suspect_visit(const struct suspect *, void *arg);

/* `until` is ignored: a day after `since` if it is sure, or guessed for the
 * second time within a day, else an hour. An account that is gone learns
 * nothing. */
enum store_result store_workaround_put(
    struct store *, const struct workaround *, bool sure);
/* Account, domain and `what` count. */
enum store_result store_workaround_forget(
    struct store *, const struct workaround *);
/* Those that count now. */
enum store_result store_workaround_each(struct store *, int64_t account,
    const char *domain, int64_t now, workaround_visit *visit, void *arg);
/* The held messages of `domain` that sessions may have ended at. */
enum store_result store_suspects(
    struct store *, const char *domain, suspect_visit *visit, void *arg);

#endif
