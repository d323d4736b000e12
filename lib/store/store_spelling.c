/* SPDX-License-Identifier: ISC */
/*
 * How a name is written in UTF-8: relay.db, for Postfix's tables alone.
 */
#include "lib/spelling.h"
#include "store_internal.h"

static enum store_result
write_keys(
    struct store *store, const char *name, const struct spelling *spelling)
{
	struct query query;

	if (!query_open(&query, store, RELAY,
		"INSERT OR IGNORE INTO spelling (utf8, name) "
		"SELECT column1, ?1 "
		"FROM (VALUES (?2), (?3), (?4), (?5)) "
		"WHERE column1 IS NOT NULL"))
		return STORE_FAILED;
	query_text(&query, name);
	query_text(&query, spelling->unicode);
	for (int i = 0; i < SPELLING_KEYS; i++)
		query_text(&query, spelling->keys[i]);
	return query_run(&query);
}

enum store_result
spelling_add(struct store *store, const char *name)
{
	enum store_result result = STORE_OK;
	struct spelling spelling;

	if (!spelling_find(&spelling, name)) {
		base_complain(store, &store->bases[RELAY], "out of memory");
		return STORE_FAILED;
	}
	if (spelling.unicode != NULL)
		result = write_keys(store, name, &spelling);
	spelling_free(&spelling);
	return result;
}
