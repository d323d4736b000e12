/* SPDX-License-Identifier: ISC */
/*
 * Changes to many tags, in short transactions: the milter and odmrd write to
 * the same database meanwhile.
 */
#ifndef STORE_BATCH_H
#define STORE_BATCH_H

#include "store_count.h"

/* Rows of a transaction. */
enum { BATCH = 200 };

typedef enum store_result row_change(struct store *, int64_t row, void *arg);

/* Calls `change` for row after row, which may fail and nothing else, in batches
 * with a transaction of their own and a pause behind it (pause.h). `sql` tells
 * the next rows, in their order: ?1 is the last row before, ?2 how many. What
 * it reads is not changed meanwhile. */
enum store_result in_batches(
    struct store *, const char *sql, row_change *change, void *arg);

/* What a condition needs where a session may have answers for the tag that it
 * has not written yet. */
#define NO_SESSION                                                             \
	"NOT EXISTS (SELECT 1 FROM session_domain "                            \
	"WHERE session_domain.domain = tag.domain) "

/* Selects of the listed recipients those that the tag has not got. */
#define NOT_KNOWN                                                              \
	"SELECT 1 FROM temp.listed_recipient AS there "                        \
	"WHERE there.n = listed.n AND NOT EXISTS (SELECT 1 FROM recipient "    \
	"WHERE recipient.tag = tag.id AND address = there.address) "

/* The listing is whole. */
enum store_result listing_commit(struct store *);

/* Adds to *count how many rows the statement that has this result changed. */
enum store_result add_changes(
    struct store *, enum store_result result, int64_t *count);

#endif
