/* SPDX-License-Identifier: ISC */
/*
 * What has come and gone since the beginning: figures that only
 * grow, whatever becomes of the tags that were counted.
 */
#include "store_internal.h"

enum store_result
store_total_each(struct store *store, total_visit *visit, void *arg)
{
	struct domain_total total;
	struct amount *amounts[] = { &total.received, &total.delivered,
		&total.refused, &total.expired, &total.left };
	enum store_result result;
	struct query query;

	if (!query_open(&query, store,
		"SELECT domain, received, received_bytes, delivered, "
		"delivered_bytes, refused, refused_bytes, expired, "
		"expired_bytes, removed, removed_bytes FROM domain_count "
		"ORDER BY domain",
		no_value))
		return STORE_FAILED;
	while ((result = query_row(&query)) == STORE_OK) {
		total.domain = query_text_at(&query, 0);
		for (int i = 0; i < 5; i++) {
			amounts[i]->messages = query_int_at(&query, 1 + 2 * i);
			amounts[i]->bytes = query_int_at(&query, 2 + 2 * i);
		}
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
		"coalesce(sum(seconds), 0) FROM session_usage",
		no_value))
		return STORE_FAILED;
	result = query_row(&query);
	if (result == STORE_OK) {
		*sessions = query_int_at(&query, 0);
		*seconds = query_int_at(&query, 1);
	}
	return query_end(&query, result);
}
