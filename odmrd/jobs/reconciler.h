/* SPDX-License-Identifier: ISC */
/*
 * The reconciler: are the tags right? It runs reconcile() (reconcile.h) aside
 * the loop, for clients that would hear "no mail" from tags that nobody has
 * confirmed lately, and when the tags have proved wrong.
 *
 * A listing of the queue costs Postfix something. So one runs at a time
 * and serves all who wait; whoever has run the last one, the next begins
 * reconcile_interval after it, or as soon as the milter has marked that mail
 * passes without tags (untagged.h); and an odmrd that takes long for one spends
 * a tenth of the time on them at most. In between the tags count as they are,
 * but for the seconds after one that failed.
 */
#ifndef RECONCILER_H
#define RECONCILER_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "lib/conf.h"
#include "odmrd/net/loop.h"

/* No client waits longer: it is answered by the tags as they are then. */
enum { RECONCILER_WAIT_MS = 10000 };

struct reconciler;

/* The asker's; it stays until its answer() is called, once and from the loop.
 * `failed`: whether the tags are right cannot be known now, as a database or
 * postqueue does not work. */
struct reconciler_question {
	void (*answer)(struct reconciler_question *question, bool failed);
	/* reconciler.c's */
	TAILQ_ENTRY(reconciler_question) entry;
	int64_t until_ms;
};

/* NULL: out of memory, or the thread could not be started. */
struct reconciler *reconciler_new(struct loop *loop, const struct conf *conf);
/* odmrd ends: one that runs is given up, and what is asked still is
 * answered. */
void reconciler_free(struct reconciler **reconciler);

/* False: it is not due; the tags count, and answer() is not called. It
 * may have been called before the return if the last one has just failed. */
bool reconciler_ask(
    struct reconciler *reconciler, struct reconciler_question *question);
/* The tags are wrong, for the log: why. It runs when it is due. */
void reconciler_request(struct reconciler *reconciler, const char *why);

#endif
