/* SPDX-License-Identifier: ISC */
/*
 * The audit: are the tags right? It runs reconcile() (reconcile.h) aside the
 * loop, for clients that would hear "no mail" from tags that nobody has
 * confirmed lately, and when the tags have proved wrong.
 *
 * A listing of the queue costs Postfix something. So one audit runs at a time
 * and serves all who wait; whoever has run the last one, the next begins
 * reconcile_interval after it, or as soon as the milter has marked that mail
 * passes without tags (untagged.h); and an odmrd whose audits take long spends
 * a tenth of the time on them at most. In between the tags count as they are,
 * but for the seconds after one that failed.
 */
#ifndef AUDIT_H
#define AUDIT_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "lib/conf.h"
#include "odmrd/net/loop.h"

/* No client waits longer: it is answered by the tags as they are then. */
enum { AUDIT_WAIT_MS = 10000 };

struct audit;

/* The asker's; it stays until its answer() is called, once and from the loop.
 * `failed`: whether the tags are right cannot be known now, as a database or
 * postqueue does not work. */
struct audit_question {
	void (*answer)(struct audit_question *question, bool failed);
	/* audit.c's */
	TAILQ_ENTRY(audit_question) entry;
	int64_t until_ms;
};

/* NULL: out of memory, or the thread could not be started. */
struct audit *audit_new(struct loop *loop, const struct conf *conf);
/* odmrd ends: an audit that runs is given up, and what is asked still is
 * answered. */
void audit_free(struct audit **audit);

/* False: an audit is not due; the tags count, and answer() is not called. It
 * may have been called before the return if the last audit has just failed. */
bool audit_ask(struct audit *audit, struct audit_question *question);
/* The tags are wrong, for the log: why. They are audited when it is due. */
void audit_suspect(struct audit *audit, const char *why);

#endif
