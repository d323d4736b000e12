/* SPDX-License-Identifier: ISC */
/*
 * The census: how many messages for some domains are in the Postfix queue, as
 * "postqueue -j" lists it. For domains whose mail Postfix delivers by itself
 * (modes backup and hold) that is the truth, while a tag may outlive its
 * message until reconcile finds it.
 *
 * One listing runs at a time. Questions that come meanwhile wait for the next,
 * which begins after they were asked and answers all of them; so however many
 * clients ask, Postfix reads its queue for one at a time. A listing that does
 * not end within the census' time is killed: the number is not known then.
 */
#ifndef CENSUS_H
#define CENSUS_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/conf.h"
#include "odmrd/net/loop.h"
#include "lib/queue_id.h"

/* For clients who wait for their reply; for a session that waits for mail. */
enum { CENSUS_MS = 2000, CENSUS_PATIENT_MS = 30000 };

struct census;

struct census_domain {
	const char *name;
	int64_t messages; /* the answer */
	bool counted;     /* census.c's: the message that is being read */
};

/* Where a message is; in maildrop it has another queue id. */
enum census_place {
	CENSUS_GONE,
	CENSUS_INCOMING, /* to become active now, or at a set time */
	CENSUS_ACTIVE,
	CENSUS_DEFERRED,
	CENSUS_ON_HOLD, /* by postsuper -h */
};

struct census_message {
	char id[QUEUE_ID_MAX + 1];
	enum census_place place; /* the answer */
};

/* The asker's; it stays until its answer() is called, once and from the loop.
 * `domains` are canonical and sorted by name, `ids` sorted by id. */
struct census_question {
	struct census_domain *domains;
	size_t count;
	struct census_message *ids;
	size_t id_count;
	int64_t messages; /* the answer: for any of them, each counted once */
	int64_t coming;   /* of those, incoming or active */
	void (*answer)(struct census_question *question, bool known);
	/* census.c's */
	TAILQ_ENTRY(census_question) entry;
};

/* NULL: out of memory, or SIGCHLD cannot be watched. */
struct census *census_new(
    struct loop *loop, const struct conf *conf, int64_t limit_ms);
/* What is asked still is answered: not known. */
void census_free(struct census **census);

/* `id` is the session for the log. */
void census_ask(
    struct census *census, struct census_question *question, const char *id);

#endif
