/* SPDX-License-Identifier: ISC */
/*
 * Queue names: relay.db. A domain that is removed leaves its queues by the
 * foreign key; a name without domains is none.
 */
#include "store_internal.h"

enum store_result
store_queue_name_begin(struct store *store)
{
	struct base *relay = &store->bases[RELAY];
	int rc;

	if (!base_ready(store, RELAY))
		return STORE_FAILED;
	rc = sqlite3_exec(relay->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		base_fault(store, relay, rc);
	return rc == SQLITE_OK ? STORE_OK : STORE_FAILED;
}

/* SQLite ends a transaction by itself on some faults. */
static bool
is_open(const struct base *base)
{
	return base->db != NULL && sqlite3_get_autocommit(base->db) == 0;
}

enum store_result
store_queue_name_commit(struct store *store)
{
	struct base *relay = &store->bases[RELAY];
	int rc;

	if (!is_open(relay)) {
		base_complain(store, relay, "the transaction was rolled back");
		return STORE_FAILED;
	}
	rc = sqlite3_exec(relay->db, "COMMIT", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		return STORE_OK;
	base_fault(store, relay, rc);
	store_queue_name_rollback(store);
	return STORE_FAILED;
}

void
store_queue_name_rollback(struct store *store)
{
	struct base *relay = &store->bases[RELAY];

	if (is_open(relay))
		sqlite3_exec(relay->db, "ROLLBACK", NULL, NULL, NULL);
}

enum store_result
store_queue_name_add(struct store *store, const char *name, const char *domain)
{
	struct query query;

	if (spelling_add(store, name) == STORE_FAILED ||
	    !query_open(&query, store, RELAY,
		"INSERT INTO queue_name (name, domain) VALUES (?1, ?2)"))
		return STORE_FAILED;
	query_text(&query, name);
	query_text(&query, domain);
	return query_run(&query);
}

enum store_result
store_queue_name_remove(
    struct store *store, const char *name, const char *domain)
{
	struct query query;

	if (!query_open(&query, store, RELAY,
		"DELETE FROM queue_name "
		"WHERE name = ?1 AND (domain = ?2 OR ?2 IS NULL)"))
		return STORE_FAILED;
	query_text(&query, name);
	query_text(&query, domain);
	return query_change(&query);
}

enum store_result
store_queue_name_each(
    struct store *store, const char *name, queue_name_visit *visit, void *arg)
{
	/* Two, because "?1 IS NULL" in one would keep it off the index. */
	static const char all[] = "SELECT name, domain FROM queue_name "
				  "ORDER BY name, domain";
	static const char one[] = "SELECT name, domain FROM queue_name "
				  "WHERE name = ?1 ORDER BY domain";
	enum store_result result;
	struct queue_name row;
	struct query query;

	if (!query_open(&query, store, RELAY, name == NULL ? all : one))
		return STORE_FAILED;
	if (name != NULL)
		query_text(&query, name);
	while ((result = query_row(&query)) == STORE_OK) {
		row.name = query_text_at(&query, 0);
		row.domain = query_text_at(&query, 1);
		if (query_sound(&query))
			visit(&row, arg);
	}
	return query_end(&query, result);
}
