/* SPDX-License-Identifier: ISC */
/*
 * What has come and gone since the beginning: figures that only
 * grow, whatever becomes of the tags that were counted.
 */
#include "store_internal.h"

enum store_result
store_total_each(
    struct store *store, const char *what, total_visit *visit, void *arg)
{
	struct domain_total total;
	enum store_result result;
	struct query query;

	if (!query_open(&query, store,
		"SELECT domain, messages, bytes FROM total WHERE what = ?1 "
		"ORDER BY domain"))
		return STORE_FAILED;
	query_text(&query, what);
	while ((result = query_row(&query)) == STORE_OK) {
		total.domain = query_text_at(&query, 0);
		total.messages = query_int_at(&query, 1);
		total.bytes = query_int_at(&query, 2);
		if (query_sound(&query))
			visit(&total, arg);
	}
	return query_end(&query, result);
}

enum store_result
store_total_sessions(struct store *store, int64_t *sessions, int64_t *seconds)
{
	enum store_result result;
	struct query query;

	if (!query_open(&query, store,
		"SELECT coalesce(sum(sessions), 0), "
		"coalesce(sum(seconds), 0) FROM usage WHERE domain = ''"))
		return STORE_FAILED;
	result = query_row(&query);
	if (result == STORE_OK) {
		*sessions = query_int_at(&query, 0);
		*seconds = query_int_at(&query, 1);
	}
	return query_end(&query, result);
}
