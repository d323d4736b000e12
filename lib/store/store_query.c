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

static void
bind(struct query *query, int at, const struct value *value)
{
	if (value->kind == VALUE_INT)
		query->rc = sqlite3_bind_int64(query->stmt, at, value->number);
	else if (value->kind == VALUE_TEXT)
		query->rc = sqlite3_bind_text(query->stmt, at, value->text,
		    (int)value->number, SQLITE_STATIC);
}

/* Faults of a value show at the first step. */
bool
query_prepare(struct query *query, struct store *store, const char *sql,
    const struct value *values, size_t count)
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
	for (size_t i = 0; i < count && query->rc == SQLITE_OK; i++)
		bind(query, (int)i + 1, &values[i]);
	return true;
}

void
query_close(struct query *query)
{
	sqlite3_reset(query->stmt);
	sqlite3_clear_bindings(query->stmt);
	query->store->queries--;
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
query_end(struct query *query, enum store_result last)
{
	query_close(query);
	return last == STORE_NONE ? STORE_OK : last;
}

enum store_result
statement_run(struct store *store, const char *sql, const struct value *values,
    size_t count)
{
	enum store_result result;
	struct query query;

	if (!query_prepare(&query, store, sql, values, count))
		return STORE_FAILED;
	result = query_row(&query);
	if (query.rc == SQLITE_DONE)
		result = STORE_OK;
	query_close(&query);
	return result;
}

enum store_result
statement_change(struct store *store, const char *sql,
    const struct value *values, size_t count)
{
	enum store_result result = statement_run(store, sql, values, count);

	if (result == STORE_OK && sqlite3_changes(store->db) == 0)
		return STORE_NONE;
	return result;
}

enum store_result
statement_number(struct store *store, int64_t *out, const char *sql,
    const struct value *values, size_t count)
{
	enum store_result result;
	struct query query;

	if (!query_prepare(&query, store, sql, values, count))
		return STORE_FAILED;
	result = query_row(&query);
	if (result == STORE_OK && out != NULL)
		*out = query_int_at(&query, 0);
	query_close(&query);
	return result;
}

enum store_result
statement_names(struct store *store, name_visit *visit, void *arg,
    const char *sql, const struct value *values, size_t count)
{
	enum store_result result, found = STORE_NONE;
	struct query query;
	const char *name;

	if (!query_prepare(&query, store, sql, values, count))
		return STORE_FAILED;
	while ((result = query_row(&query)) == STORE_OK) {
		found = STORE_OK;
		name = query_text_at(&query, 0);
		if (query_sound(&query) && visit != NULL)
			visit(name, arg);
	}
	result = query_end(&query, result);
	return result == STORE_OK ? found : result;
}
