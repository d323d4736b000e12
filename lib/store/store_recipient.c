/* SPDX-License-Identifier: ISC */
/* The recipients of a tag, which the callers of the store have one a line. */
#include "lib/lines.h"
#include "store_internal.h"

enum store_result
insert_lines(
    struct store *store, const char *sql, int64_t key, const char *lines)
{
	enum store_result result = STORE_OK;
	struct query query;
	const char *line;
	size_t len;

	while (result == STORE_OK && lines_next(&lines, &line, &len)) {
		if (!query_open(&query, store, sql))
			return STORE_FAILED;
		query_int(&query, key);
		query_bytes(&query, line, len);
		result = query_run(&query);
	}
	return result;
}

enum store_result
recipients_insert(struct store *store, int64_t tag, const char *lines)
{
	return insert_lines(store,
	    "INSERT INTO recipient (tag, address) VALUES (?1, ?2) "
	    "ON CONFLICT DO NOTHING",
	    tag, lines);
}

enum store_result
recipients_delete(struct store *store, int64_t tag)
{
	struct query query;

	if (!query_open(&query, store, "DELETE FROM recipient WHERE tag = ?1"))
		return STORE_FAILED;
	query_int(&query, tag);
	return query_run(&query);
}
