/* SPDX-License-Identifier: ISC */
/*
 * Changes to many tags, in short transactions: the milter and odmrd write to
 * the same database meanwhile.
 */
#ifndef STORE_BATCH_H
#define STORE_BATCH_H

#include "store_internal.h"

enum { BATCH = 200 };

/* The rows of one transaction: those behind `from`, up to `to`. */
struct batch {
	int64_t from;
	int64_t to;
};

typedef enum store_result batch_change(
    struct store *, const struct batch *, void *arg);

/* Calls `change` for batch after batch, each in a transaction of its own, with
 * a pause behind it (pause.h). `sql` tells where the next ends: ?1 is the end
 * of the last, ?2 how many rows; NULL when there are no more. */
enum store_result in_batches(
    struct store *, const char *sql, batch_change *change, void *arg);

/* What a condition needs where a session may have answers for the tag that it
 * has not written yet. */
#define NO_SESSION                                                             \
	"NOT EXISTS (SELECT 1 FROM session WHERE instr(char(10) || "           \
	"session.domains || char(10), char(10) || tag.domain || char(10))) "

/* Runs the statement, and adds to *count how many rows it changed. */
enum store_result count_changes(struct query *, int64_t *count);

#endif
