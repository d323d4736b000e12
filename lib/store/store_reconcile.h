/* SPDX-License-Identifier: ISC */
/*
 * The store's part of reconcile.h: the listing of the Postfix queue in
 * temporary tables of this connection, and what follows from it for the tags.
 *
 * store_listing_begin, then for each listing store_listing_restart, one
 * store_listing_add for each message and domain, and at its end
 * store_unlisted_find or, after the first, store_unlisted_check. What the last
 * listing showed is written by store_listing_rename, store_unlisted_settle and
 * store_listing_apply, in this order, after store_listing_compare, and in
 * transactions that are short however much there is to do.
 */
#ifndef STORE_RECONCILE_H
#define STORE_RECONCILE_H

#include "store.h"

/* Until a message is this old, in seconds, its tag may be there before it is
 * in the queue: milters that come after ours, a slow disk. And that long a
 * message may still be there after a session settled it. */
enum { RECONCILE_YOUNG = 60 };

/* Forgets all earlier listings. */
enum store_result store_listing_begin(struct store *);
enum store_result store_listing_restart(struct store *);
/* `last_answer` is why Postfix deferred it, or NULL. */
enum store_result store_listing_add(struct store *, const struct tag *);

/* Of the tags held at the first call, whose message came before `before`:
 * those that no listing so far had. *missing is how many; *returned, how many
 * of those missing before the last listing were in it. */
enum store_result store_unlisted_find(
    struct store *, int64_t before, int64_t *missing);
enum store_result store_unlisted_check(
    struct store *, int64_t *missing, int64_t *returned);

/* Finds the messages that do not agree with their tags, or have none. `began`
 * as below. */
enum store_result store_listing_compare(struct store *, int64_t began);

/* Tags whose messages are there under another queue id get that, and are
 * missing no more. */
enum store_result store_listing_rename(
    struct store *, int64_t began, int64_t *changed);

/* Adds, corrects and holds again. `began`: when the last listing did. */
enum store_result store_listing_apply(
    struct store *, int64_t began, int64_t *added, int64_t *changed);

/* What a missing tag becomes. */
struct unlisted_fate {
	int64_t now;
	/* Messages are kept that long by Postfix; those of the null sender. */
	int64_t lifetime;
	int64_t bounce_lifetime;
	/* how many */
	int64_t delivered;
	int64_t expired;
	int64_t left;
	int64_t changed; /* taken away: the message never had the domain */
};

enum store_result store_unlisted_settle(struct store *, struct unlisted_fate *);

/* Forgets the listing: the connection may stay for long. */
void store_listing_end(struct store *);

/* What waits now counts for today's peak, though nothing came or went. */
enum store_result store_peaks_note(struct store *);

/* Deletes tags settled before `before`. */
enum store_result store_history_end(struct store *, int64_t before);

/* When the last run that came to its end began; 0: none did. */
enum store_result store_reconciled(struct store *, int64_t *began);
enum store_result store_reconciled_set(struct store *, int64_t began);

#endif
