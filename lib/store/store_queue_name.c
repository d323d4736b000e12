/* SPDX-License-Identifier: ISC */
/*
 * Queue names. A domain that is removed leaves its queues by the
 * foreign key; a name without domains is none.
 */
#include "store_internal.h"

enum store_result
store_queue_name_add(struct store *store, const char *name, const char *domain)
{
	return store_run(store,
	    "INSERT INTO queue_name (name, domain) VALUES (?1, ?2)",
	    as_text(name), as_text(domain));
}

enum store_result
store_queue_name_remove(
    struct store *store, const char *name, const char *domain)
{
	return store_change(store,
	    "DELETE FROM queue_name "
	    "WHERE name = ?1 AND (domain = ?2 OR ?2 IS NULL)",
	    as_text(name), as_text(domain));
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

	if (!query_open(
		&query, store, name == NULL ? all : one, as_text_if(name)))
		return STORE_FAILED;
	while ((result = query_row(&query)) == STORE_OK) {
		row.name = query_text_at(&query, 0);
		row.domain = query_text_at(&query, 1);
		if (query_sound(&query))
			visit(&row, arg);
	}
	return query_end(&query, result);
}
