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
/* May this user write to it, and to its directory? True as well where it is
 * missing. */
bool file_is_ours(struct store *);

/* ---- store_tag.c ---- */

/* The row of a tag. */
enum store_result store_tag_id(
    struct store *, const char *queue_id, const char *domain, int64_t *id);

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
};

/* What a statement is bound to, in the order of its parameters. */
struct value {
	enum { VALUE_NONE, VALUE_INT, VALUE_TEXT } kind;
	int64_t number; /* of a text: its length; -1: to its end */
	const char *text;
};

/* Where a statement has no parameters. */
static const struct value no_value = { VALUE_NONE, 0, NULL };

static inline struct value
as_int(int64_t number)
{
	return (struct value) { VALUE_INT, number, NULL };
}

/* Bound without a copy: it outlives the call that binds it. NULL is NULL. */
static inline struct value
as_text(const char *text)
{
	return (struct value) { VALUE_TEXT, -1, text };
}

/* Not bound where it is NULL: the statement has no such parameter. */
static inline struct value
as_text_if(const char *text)
{
	return text != NULL ? as_text(text) : no_value;
}

static inline struct value
as_bytes(const char *text, size_t len)
{
	return (struct value) { VALUE_TEXT, (int64_t)len, text };
}

#define VALUES(...)                                                            \
	(const struct value[]) { __VA_ARGS__ },                                \
	    sizeof((const struct value[]) { __VA_ARGS__ }) /                   \
	    sizeof(struct value)

/* `sql` must be a string that lives as long as the program: its address is
 * the key under which the prepared statement is kept. */
#define query_open(query_, store_, sql_, ...)                                  \
	query_prepare(query_, store_, sql_, VALUES(__VA_ARGS__))
bool query_prepare(struct query *, struct store *, const char *sql,
    const struct value *values, size_t count);
void query_close(struct query *);

/* STORE_OK: a row is there; STORE_NONE: no further one. */
enum store_result query_row(struct query *);
int64_t query_int_at(struct query *, int column);
/* NULL for NULL, and for a fault, which `query_sound` and the next query_row
 * report. */
const char *query_text_at(struct query *, int column);
bool query_sound(const struct query *);

/* The result of a loop that ended with `last`, and closes. */
enum store_result query_end(struct query *, enum store_result last);

/* Runs a statement without rows; store_change answers STORE_NONE where it
 * changed nothing. */
#define store_run(store_, sql_, ...)                                           \
	statement_run(store_, sql_, VALUES(__VA_ARGS__))
#define store_change(store_, sql_, ...)                                        \
	statement_change(store_, sql_, VALUES(__VA_ARGS__))
/* The number in the first column of the first row, or STORE_NONE; `out_` may be
 * NULL. */
#define store_number(store_, out_, sql_, ...)                                  \
	statement_number(store_, out_, sql_, VALUES(__VA_ARGS__))
/* Visits the texts in the first column of all rows; store_name answers
 * STORE_NONE where there are none. `visit_` may be NULL. */
#define store_names(store_, visit_, arg_, sql_, ...)                           \
	some_or_none(                                                          \
	    statement_names(store_, visit_, arg_, sql_, VALUES(__VA_ARGS__)))
#define store_name(store_, visit_, arg_, sql_, ...)                            \
	statement_names(store_, visit_, arg_, sql_, VALUES(__VA_ARGS__))
static inline enum store_result
some_or_none(enum store_result result)
{
	return result == STORE_NONE ? STORE_OK : result;
}

enum store_result statement_run(
    struct store *, const char *sql, const struct value *values, size_t count);
enum store_result statement_change(
    struct store *, const char *sql, const struct value *values, size_t count);
enum store_result statement_number(struct store *, int64_t *out,
    const char *sql, const struct value *values, size_t count);
enum store_result statement_names(struct store *, name_visit *visit, void *arg,
    const char *sql, const struct value *values, size_t count);

/* ---- store_recipient.c ---- */

/* Of `lines`, one address a line, those that the tag has not got. */
enum store_result recipients_insert(
    struct store *, int64_t tag, const char *lines);
enum store_result recipients_delete(struct store *, int64_t tag);
/* Runs `sql` for each line: ?1 is `key`, ?2 the line. */
enum store_result insert_lines(
    struct store *, const char *sql, struct value key, const char *lines);

#endif
