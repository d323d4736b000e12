/* SPDX-License-Identifier: ISC */
/* The recipients of a tag, which the callers of the store have one a line. */
#include <string.h>

#include "store_internal.h"

enum store_result
insert_lines(
    struct store *store, const char *sql, struct value key, const char *lines)
{
	enum store_result result = STORE_OK;
	size_t len;

	while (result == STORE_OK && (len = strcspn(lines, "\n")) > 0) {
		result = store_run(store, sql, key, as_bytes(lines, len));
		lines += len + (lines[len] == '\n');
	}
	return result;
}

enum store_result
recipients_insert(struct store *store, int64_t tag, const char *lines)
{
	return insert_lines(store,
	    "INSERT INTO recipient (tag, address) VALUES (?1, ?2) "
	    "ON CONFLICT DO NOTHING",
	    as_int(tag), lines);
}

enum store_result
recipients_delete(struct store *store, int64_t tag)
{
	return store_run(
	    store, "DELETE FROM recipient WHERE tag = ?1", as_int(tag));
}
