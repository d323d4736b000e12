/* SPDX-License-Identifier: ISC */
/*
 * The queue counted: how many messages for some domains are in the Postfix
 * queue, as "postqueue -j" lists it. For domains whose mail Postfix delivers by
 * itself (modes backup and hold) that is the truth, while a tag may outlive its
 * message until reconcile finds it.
 *
 * One listing runs at a time. Questions that come meanwhile wait for the next,
 * which begins after they were asked and answers all of them; so however many
 * clients ask, Postfix reads its queue for one at a time. A listing that does
 * not end within its time is killed: the number is not known then.
 */
#ifndef QUEUE_COUNT_H
#define QUEUE_COUNT_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/conf.h"
#include "odmrd/net/loop.h"
#include "lib/queue_id.h"

/* For clients who wait for their reply; for a session that waits for mail. */
enum { QUEUE_COUNT_MS = 2000, QUEUE_COUNT_PATIENT_MS = 30000 };

struct queue_count;

struct queue_domain {
	const char *name;
	int64_t messages; /* the answer */
	bool counted;     /* queue_count.c's: the message that is being read */
};

/* Where a message is; in maildrop it has another queue id. */
enum queue_place {
	QUEUE_GONE,
	QUEUE_INCOMING, /* to become active now, or at a set time */
	QUEUE_ACTIVE,
	QUEUE_DEFERRED,
	QUEUE_ON_HOLD, /* by postsuper -h */
};

struct queue_message {
	char id[QUEUE_ID_MAX + 1];
	enum queue_place place; /* the answer */
};

/* The asker's; it stays until its answer() is called, once and from the loop.
 * `domains` are canonical; asking sorts them, and `ids`. */
struct queue_question {
	struct queue_domain *domains;
	size_t count;
	struct queue_message *ids;
	size_t id_count;
	int64_t messages; /* the answer: for any of them, each counted once */
	int64_t coming;   /* of those, incoming or active */
	void (*answer)(struct queue_question *question, bool known);
	/* queue_count.c's */
	TAILQ_ENTRY(queue_question) entry;
};

/* NULL: out of memory, or SIGCHLD cannot be watched. */
struct queue_count *queue_count_new(
    struct loop *loop, const struct conf *conf, int64_t limit_ms);
/* What is asked still is answered: not known. */
void queue_count_free(struct queue_count **qc);

/* `id` is the session for the log. */
void queue_count_ask(
    struct queue_count *qc, struct queue_question *question, const char *id);

#endif
