/* SPDX-License-Identifier: ISC */
/*
 * The listing of the queue in temporary tables of the connection to the
 * database. They are this connection's alone: filling and comparing them takes
 * no lock that the milter or odmrd would wait for.
 */
#include <string.h>
#include <strings.h>

#include "store_internal.h"
#include "store_reconcile.h"

static const char schema[] =
    "CREATE TEMP TABLE IF NOT EXISTS listed ("
    "n INTEGER PRIMARY KEY, queue_id TEXT, domain TEXT, sender TEXT, "
    "recipients TEXT, open INTEGER, size INTEGER, arrived INTEGER, "
    "answer TEXT, on_hold INTEGER, UNIQUE (queue_id, domain));"
    "CREATE TEMP VIEW IF NOT EXISTS relay AS "
    "SELECT name AS domain, mode != 'backup' AS collected FROM main.domain;"
    "CREATE TEMP TABLE IF NOT EXISTS missing (id INTEGER PRIMARY KEY);"
    "CREATE TEMP TABLE IF NOT EXISTS differing (n INTEGER PRIMARY KEY);"
    "CREATE TEMP TABLE IF NOT EXISTS newcomer (n INTEGER PRIMARY KEY);"
    "CREATE TEMP TABLE IF NOT EXISTS away (id INTEGER PRIMARY KEY, "
    "domain TEXT, sender TEXT, recipients TEXT, arrived INTEGER, "
    "settled INTEGER);"
    "CREATE INDEX IF NOT EXISTS temp.away_from ON away (domain, sender);"
    "CREATE TEMP TABLE IF NOT EXISTS renamed ("
    "n INTEGER PRIMARY KEY, id INTEGER UNIQUE);";

static const char empty[] =
    "DELETE FROM temp.listed;"
    "DELETE FROM temp.missing; DELETE FROM temp.differing;"
    "DELETE FROM temp.newcomer; DELETE FROM temp.away;"
    "DELETE FROM temp.renamed;";

/* The next line of a list, and its length; NULL at the end. */
static const char *
next_line(const char **list, size_t *len)
{
	const char *line = *list;

	if (*line == '\0')
		return NULL;
	*len = strcspn(line, "\n");
	*list = line + *len + (line[*len] == '\n');
	return line;
}

static int
compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int order = strncasecmp(a, b, a_len < b_len ? a_len : b_len);

	return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

/* Is every line of `some` in `all`? Both are sorted. */
static bool
within(const char *some, const char *all)
{
	const char *want, *have;
	size_t want_len, have_len;
	int order;

	while ((want = next_line(&some, &want_len)) != NULL) {
		do {
			have = next_line(&all, &have_len);
			if (have == NULL)
				return false;
			order = compare(have, have_len, want, want_len);
		} while (order < 0);
		if (order > 0)
			return false;
	}
	return true;
}

static void
sql_within(sqlite3_context *ctx, int count, sqlite3_value **values)
{
	const char *some = (const char *)sqlite3_value_text(values[0]);
	const char *all = (const char *)sqlite3_value_text(values[1]);

	(void)count;
	if (some == NULL || all == NULL)
		sqlite3_result_error_nomem(ctx);
	else
		sqlite3_result_int(ctx, within(some, all));
}

enum store_result
store_listing_begin(struct store *store)
{
	int rc;

	if (!base_ready(store))
		return STORE_FAILED;
	rc = sqlite3_create_function(store->db, "within", 2,
	    SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, sql_within, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(store->db, schema, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(store->db, empty, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		return STORE_OK;
	base_fault(store, rc);
	return STORE_FAILED;
}

void
store_listing_end(struct store *store)
{
	if (store->db != NULL)
		sqlite3_exec(store->db, empty, NULL, NULL, NULL);
}

enum store_result
store_listing_restart(struct store *store)
{
	struct query query;

	if (!query_open(&query, store, "DELETE FROM temp.listed"))
		return STORE_FAILED;
	return query_run(&query);
}

enum store_result
store_listing_add(struct store *store, const struct tag *tag)
{
	struct query query;

	if (!query_open(&query, store,
		"INSERT OR REPLACE INTO temp.listed (queue_id, domain, sender, "
		"recipients, open, size, arrived, answer, on_hold) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"))
		return STORE_FAILED;
	query_text(&query, tag->queue_id);
	query_text(&query, tag->domain);
	query_text(&query, tag->sender);
	query_text(&query, tag->recipients);
	query_int(&query, tag->recipient_count);
	query_int(&query, tag->size);
	query_int(&query, tag->arrived);
	query_text(&query, tag->last_answer);
	query_int(&query, tag->on_hold);
	return query_run(&query);
}
