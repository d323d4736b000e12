/* SPDX-License-Identifier: ISC */
/*
 * Settling: what became of messages and sessions is written to the database by
 * a thread of its own, in the order in which it was told and many at a time, so
 * that no message waits for a disk. While the database cannot be used, notes
 * wait, up to SETTLE_ROOM bytes of them. Tags are an index: what finds no room,
 * or cannot be written when odmrd ends, is given up with a line in the log, and
 * reconcile mends the tags; settle_doubt tells that it is due.
 */
#ifndef SETTLE_H
#define SETTLE_H

#include "lib/conf.h"
#include "odmrd/net/loop.h"
#include "lib/store/store.h"

enum { SETTLE_ROOM = 64 << 20 }; /* some 100,000 messages */

struct history;
struct question;
struct settle;

/* Called in the loop: the tags are not what they should be, for the log. */
typedef void settle_doubt(const char *why, void *arg);

/* NULL if the thread could not be started. Ends the sessions that a dead
 * odmrd left in the database. */
struct settle *settle_new(
    struct loop *loop, const struct conf *conf, settle_doubt *doubt, void *arg);
void settle_free(struct settle **settle);

/* All copy what they are given. */
void settle_tx(struct settle *settle, const struct settlement *settlement);
/* These messages, each id with a newline, are on hold in the queue. */
void settle_hold(struct settle *settle, const char *ids);
/* Only news: while the database cannot be used, it may be left out. */
void settle_session(struct settle *settle, const struct session_row *row);
/* Learnt, see store_workaround_put; or, with `why` NULL, forgotten. */
void settle_workaround(
    struct settle *settle, const struct workaround *workaround, bool sure);
/* It ended when `row` says that it was noted. */
void settle_end(struct settle *settle, const struct session_row *row);

/* What the tags say of a session's domains. */
struct tagged {
	bool known;     /* false: it cannot be known now */
	bool confirmed; /* see reconcile_fresh */
	long messages;  /* held, not on hold, not attempted by the session */
	const long *counts; /* of each domain, as asked; NULL: unknown */
	const char *ids;    /* queue ids of messages, one a line */
};

/*
 * Asks that of the domains (one a line), after all that was told before is
 * written, and for up to so many `ids`. The answer is borrowed for the call.
 * The asker forgets the question if it ends first. NULL: no room for it.
 */
typedef void settle_answer(const struct tagged *tagged, void *arg);
struct question *settle_ask(struct settle *settle, const char *domains,
    const char *session, size_t ids, settle_answer *answer, void *arg);
/* Likewise, what earlier sessions have taught (history.h), of the account or,
 * where that is 0, of the one domain. The answer may take what `history` has,
 * and leave it empty. */
typedef void settle_past(struct history *history, void *arg);
struct question *settle_ask_past(struct settle *settle, int64_t account,
    const char *domains, settle_past *answer, void *arg);
void question_forget(struct question **question);

#endif
