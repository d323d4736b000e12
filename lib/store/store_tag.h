/* SPDX-License-Identifier: ISC */
/* Messages: one tag for each relay domain, and what came of it. */
#ifndef STORE_TAG_H
#define STORE_TAG_H

#include "store_common.h"
#include "suspicion.h"

struct tag {
	const char *queue_id;
	const char *domain;
	const char *sender;     /* "" for the null sender */
	const char *recipients; /* one a line, each only once */
	long recipient_count;
	int64_t size;
	const char *client;
	int64_t arrived;
	const char *earlier; /* ids that it may have had, each and a blank */
	/* what a visitor sees besides: */
	const char *state;
	long open;
	long delivered; /* recipients answered 2xx */
	long attempts;
	const char *session;     /* the last that attempted it, or NULL */
	const char *last_answer; /* or NULL */
	int64_t doubted; /* when a 5xx was first not believed; 0: never */
	long faults;     /* sessions that broke at it */
	bool apart;      /* set apart for them */
	int64_t settled; /* 0: held */
	bool on_hold;    /* of those held: Postfix will not try it */
};

typedef void tag_visit(const struct tag *tag, void *arg);

/* A tag that is there already stays as it is (STORE_OK). One that the message
 * has under an earlier id becomes this one: see store_rename.c. */
enum store_result store_tag_add(struct store *, const struct tag *);
/* The latter alone. STORE_NONE: it has none, or this one, too, which stays. */
enum store_result store_tag_rename(struct store *, const struct tag *);
/* Held tags, oldest first; `domain` NULL: of every domain. */
enum store_result store_tag_each(
    struct store *, const char *domain, tag_visit *visit, void *arg);
/* Tags in any state, or in `state`, which is not "held"; likewise. */
enum store_result store_tag_history(struct store *, const char *domain,
    const char *state, tag_visit *visit, void *arg);
/* All tags of one message, held or not, in the order of their domains. */
enum store_result store_tag_find(
    struct store *, const char *queue_id, tag_visit *visit, void *arg);
/* The message was taken out of the queue: what was held of it is "left", and
 * `why` its last answer. STORE_NONE: nothing was held. */
enum store_result store_tag_leave(
    struct store *, const char *queue_id, int64_t when, const char *why);
/* Adds to *count the held tags of `domain`; with `session`, only those that are
 * not on hold and still have a recipient which that session has not attempted
 * ("" has attempted none). */
enum store_result store_tag_count(
    struct store *, const char *domain, const char *session, int64_t *count);

/* The queue ids of those, oldest first, up to `limit`. */
enum store_result store_tag_unattempted(struct store *, const char *domain,
    const char *session, int64_t limit, name_visit *visit, void *arg);

/* The message is on hold in the queue. STORE_NONE: nothing is held of it. */
enum store_result store_tag_hold(struct store *, const char *queue_id);

/* STORE_OK: a session other than `session` was told 5xx for the message and did
 * not believe it, first *age seconds ago: by the time of day or by the uptime,
 * whichever is less, as somebody may have set the time, and the uptime begins
 * anew. STORE_NONE: none was. */
enum store_result store_tag_doubted(struct store *, const char *queue_id,
    const char *domain, const char *session, int64_t *age);

/* What came of one transaction: recipients answered 2xx, 5xx, 4xx. A tag with
 * no open recipient left becomes delivered (or refused, if none was taken). A
 * message that was never tagged gets its tag here if nothing of it stays open.
 * What was taken counts as collected. */
struct settlement {
	const char *queue_id;
	const char *other_id; /* renamed where queue_id has no tag; or NULL */
	const char *domain;
	const char *session;
	long delivered;
	long refused;
	long kept;
	long doubted; /* of those kept: the customer said 5xx */
	enum fault fault;
	bool took; /* the session has taken mail by then */
	int64_t bytes;
	int64_t when;
	int64_t up; /* uptime() then */
	const char
	    *answer; /* the last that was not 2xx, or the 2xx; NULL: none */
};

/* STORE_NONE: it was never tagged. */
enum store_result store_settle(struct store *, const struct settlement *);

#endif
