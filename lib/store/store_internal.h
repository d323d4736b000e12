/* SPDX-License-Identifier: ISC */
/*
 * What the files of the store share: the connection to the database with its
 * prepared statements, and a struct query, which is one use of a statement.
 * Errors end in base_fault, which writes the text for store_error and decides
 * whether the connection can be kept.
 */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include <sqlite3.h>

#include "store.h"

enum { STORE_ERROR_SIZE = 512 };

struct statement {
	const char *sql; /* compared by address */
	sqlite3_stmt *handle;
	struct statement *next;
};

struct store {
	const struct conf *conf; /* the file is conf->database */
	int busy_ms;
	bool reader;               /* changes nothing */
	const char *const *schema; /* see schema.h */
	sqlite3 *db;               /* NULL: closed */
	struct statement *statements;
	int queries;  /* open now; while any is, the connection stays */
	bool damaged; /* to be closed before its next use */
	bool in_transaction;
	bool spoiled; /* a call in the transaction failed */
	char error[STORE_ERROR_SIZE];
};

/* ---- store.c ---- */

/* Calls `step` in the transaction that is open, or in one of its own, which is
 * committed unless it fails. */
typedef enum store_result store_step(struct store *, void *arg);
enum store_result store_whole(struct store *, store_step *step, void *arg);

/* ---- store_base.c ---- */

/* Connects, and with `upgrade` applies the schema steps that are missing;
 * without, an older schema is a failure. A newer one always is. */
bool base_open(struct store *, bool upgrade);
void base_close(struct store *);
/* Connected, still the file at its path, and its transaction alive. */
bool base_ready(struct store *);
/* Records the fault `rc` of the last call on the connection. */
void base_fault(struct store *, int rc);
/* The same for a fault that SQLite knows nothing about. */
void base_complain(struct store *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- store_connect.c ---- */

/* Opens the file at store->conf->database, if it and those beside it are plain
 * files. */
bool base_connect(struct store *);
/* Has it nothing but what schema version `version` makes? */
bool base_vet(struct store *, int version);

/* ---- store_file.c ---- */

/* Creates the database's file, and its directory, where they are missing, and
 * as root gives the file owner, group and mode. */
bool file_prepare(struct store *);

/* ---- store_tag.c ---- */

/* The row of a tag. */
enum store_result store_tag_id(
    struct store *, const char *queue_id, const char *domain, int64_t *id);

/* ---- store_recipient.c ---- */

/* Of `lines`, one address a line, those that the tag has not got. */
enum store_result recipients_insert(
    struct store *, int64_t tag, const char *lines);
enum store_result recipients_delete(struct store *, int64_t tag);
/* Runs `sql` for each line: ?1 is `key`, ?2 the line. */
enum store_result insert_lines(
    struct store *, const char *sql, int64_t key, const char *lines);

/* ---- store_history.c ---- */

/* Is the tag of a message set apart? Three sessions broke at it, the last one
 * within six hours. */
#define SET_APART                                                              \
	"(suspect = 3 AND faults >= 3 AND state = 'held' "                     \
	"AND faulted BETWEEN unixepoch() - 6 * 3600 AND unixepoch())"

/* ---- store_query.c ---- */

struct query {
	struct store *store;
	sqlite3_stmt *stmt;
	int rc;
	int bound;
};

/* `sql` must be a string that lives as long as the program: its address is
 * the key under which the prepared statement is kept. */
bool query_open(struct query *, struct store *, const char *sql);
void query_close(struct query *);

/* Bind the next parameter. Faults show at the first step. */
void query_int(struct query *, int64_t value);
void query_text(struct query *, const char *value);
void query_bytes(struct query *, const char *value, size_t len);

/* STORE_OK: a row is there; STORE_NONE: no further one. */
enum store_result query_row(struct query *);
int64_t query_int_at(struct query *, int column);
/* NULL for NULL, and for a fault, which `query_sound` and the next query_row
 * report. */
const char *query_text_at(struct query *, int column);
bool query_sound(const struct query *);

/* Run a statement without rows to its end and close it. query_change answers
 * STORE_NONE where nothing was changed. */
enum store_result query_run(struct query *);
enum store_result query_change(struct query *);

/* The result of a loop that ended with `last`, and closes. */
enum store_result query_end(struct query *, enum store_result last);

#endif
