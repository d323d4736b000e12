/* SPDX-License-Identifier: ISC */
/*
 * One use of a prepared statement: open, bind, step, close. Statements are
 * prepared once and kept for the life of the connection, so that a batch of
 * hundreds costs no parsing. A visitor may use the store while a query is
 * open; if that runs the same SQL, it gets a statement of its own.
 */
#include <stdlib.h>

#include "store_internal.h"

static sqlite3_stmt *
prepare(struct store *store, const char *sql)
{
	struct statement *statement = malloc(sizeof(*statement));
	int rc;

	if (statement == NULL) {
		base_complain(store, "out of memory");
		return NULL;
	}
	rc = sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
	    &statement->handle, NULL);
	if (rc != SQLITE_OK) {
		base_fault(store, rc);
		free(statement);
		return NULL;
	}
	statement->sql = sql;
	statement->next = store->statements;
	store->statements = statement;
	return statement->handle;
}

static sqlite3_stmt *
find(const struct store *store, const char *sql)
{
	for (struct statement *s = store->statements; s != NULL; s = s->next)
		if (s->sql == sql && !sqlite3_stmt_busy(s->handle))
			return s->handle;
	return NULL;
}

bool
query_open(struct query *query, struct store *store, const char *sql)
{
	*query = (struct query) { .store = store };
	if (!base_ready(store))
		return false;
	query->stmt = find(store, sql);
	if (query->stmt == NULL)
		query->stmt = prepare(store, sql);
	if (query->stmt == NULL)
		return false;
	query->store->queries++;
	return true;
}

void
query_close(struct query *query)
{
	sqlite3_reset(query->stmt);
	sqlite3_clear_bindings(query->stmt);
	query->store->queries--;
}

void
query_int(struct query *query, int64_t value)
{
	query->bound++;
	if (query->rc == SQLITE_OK)
		query->rc =
		    sqlite3_bind_int64(query->stmt, query->bound, value);
}

/* Bound without a copy: arguments outlive the call that binds them. */
static void
bind_text(struct query *query, const char *value, int len)
{
	query->bound++;
	if (query->rc == SQLITE_OK)
		query->rc = sqlite3_bind_text(
		    query->stmt, query->bound, value, len, SQLITE_STATIC);
}

void
query_text(struct query *query, const char *value)
{
	bind_text(query, value, -1);
}

void
query_bytes(struct query *query, const char *value, size_t len)
{
	bind_text(query, value, (int)len);
}

enum store_result
query_row(struct query *query)
{
	if (query->rc == SQLITE_OK)
		query->rc = sqlite3_step(query->stmt);
	switch (query->rc) {
	case SQLITE_ROW:
		query->rc = SQLITE_OK;
		return STORE_OK;
	case SQLITE_DONE:
	case SQLITE_CONSTRAINT_FOREIGNKEY:
		return STORE_NONE;
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY:
		return STORE_EXISTS;
	default:
		base_fault(query->store, query->rc);
		return STORE_FAILED;
	}
}

int64_t
query_int_at(struct query *query, int column)
{
	return sqlite3_column_int64(query->stmt, column);
}

const char *
query_text_at(struct query *query, int column)
{
	const unsigned char *text;

	if (sqlite3_column_type(query->stmt, column) == SQLITE_NULL)
		return NULL;
	text = sqlite3_column_text(query->stmt, column);
	if (text == NULL)
		query->rc = SQLITE_NOMEM;
	return (const char *)text;
}

bool
query_sound(const struct query *query)
{
	return query->rc == SQLITE_OK;
}

enum store_result
query_run(struct query *query)
{
	enum store_result result = query_row(query);

	if (query->rc == SQLITE_DONE)
		result = STORE_OK;
	query_close(query);
	return result;
}

enum store_result
query_change(struct query *query)
{
	enum store_result result = query_run(query);

	if (result == STORE_OK && sqlite3_changes(query->store->db) == 0)
		return STORE_NONE;
	return result;
}

enum store_result
query_end(struct query *query, enum store_result last)
{
	query_close(query);
	return last == STORE_NONE ? STORE_OK : last;
}
