/* SPDX-License-Identifier: ISC */
/*
 * The listing of the queue in temporary tables of the connection to the
 * database. They are this connection's alone: filling and comparing them takes
 * no lock that the milter or odmrd would wait for.
 */
#include "store_batch.h"
#include "store_reconcile.h"

static const char schema[] =
    "CREATE TEMP TABLE IF NOT EXISTS listed ("
    "n INTEGER PRIMARY KEY, queue_id TEXT, domain TEXT, sender TEXT, "
    "rcpts_open INTEGER, size INTEGER, arrived INTEGER, "
    "answer TEXT, on_hold INTEGER, UNIQUE (queue_id, domain));"
    "CREATE TEMP TABLE IF NOT EXISTS listed_recipient ("
    "n INTEGER, address TEXT COLLATE NOCASE, PRIMARY KEY (n, address)) "
    "WITHOUT ROWID;"
    "CREATE TEMP VIEW IF NOT EXISTS relay AS "
    "SELECT name AS domain, mode != 'backup' AS collected FROM main.domain;"
    "CREATE TEMP TABLE IF NOT EXISTS unlisted (id INTEGER PRIMARY KEY);"
    "CREATE TEMP TABLE IF NOT EXISTS differing (n INTEGER PRIMARY KEY);"
    "CREATE TEMP TABLE IF NOT EXISTS newcomer (n INTEGER PRIMARY KEY);"
    "CREATE TEMP TABLE IF NOT EXISTS away (id INTEGER PRIMARY KEY, "
    "domain TEXT, sender TEXT, arrived INTEGER, "
    "settled INTEGER);"
    "CREATE INDEX IF NOT EXISTS temp.away_from ON away (domain, sender);"
    "CREATE TEMP TABLE IF NOT EXISTS renamed ("
    "n INTEGER PRIMARY KEY, id INTEGER UNIQUE);";

static const char empty[] =
    "DELETE FROM temp.listed; DELETE FROM temp.listed_recipient;"
    "DELETE FROM temp.unlisted; DELETE FROM temp.differing;"
    "DELETE FROM temp.newcomer; DELETE FROM temp.away;"
    "DELETE FROM temp.renamed;";

enum store_result
store_listing_begin(struct store *store)
{
	int rc;

	if (!base_ready(store))
		return STORE_FAILED;
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
	if (store->db == NULL)
		return;
	if (sqlite3_get_autocommit(store->db) == 0)
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_exec(store->db, empty, NULL, NULL, NULL);
}

static enum store_result
run(struct store *store, const char *sql)
{
	return store_run(store, sql, no_value);
}

/* A transaction that writes to temporary tables alone takes no lock either. */
enum store_result
store_listing_restart(struct store *store)
{
	if (run(store, "DELETE FROM temp.listed") != STORE_OK ||
	    run(store, "DELETE FROM temp.listed_recipient") != STORE_OK)
		return STORE_FAILED;
	return run(store, "BEGIN");
}

enum store_result
listing_commit(struct store *store)
{
	return run(store, "COMMIT");
}

/* Of what is listed twice the later counts. */
enum store_result
store_listing_add(struct store *store, const struct tag *tag)
{
	if (store_run(store,
		"INSERT OR REPLACE INTO temp.listed (queue_id, domain, sender, "
		"rcpts_open, size, arrived, answer, on_hold) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
		as_text(tag->queue_id), as_text(tag->domain),
		as_text(tag->sender), as_int(tag->recipient_count),
		as_int(tag->size), as_int(tag->arrived),
		as_text(tag->last_answer), as_int(tag->on_hold)) != STORE_OK)
		return STORE_FAILED;
	return insert_lines(store,
	    "INSERT INTO temp.listed_recipient (n, address) VALUES (?1, ?2) "
	    "ON CONFLICT DO NOTHING",
	    as_int(sqlite3_last_insert_rowid(store->db)), tag->recipients);
}
