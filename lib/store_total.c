/* SPDX-License-Identifier: ISC */
/*
 * What `usage` has altogether (state.db): of each domain that ever had mail,
 * and of the service. Rows of usage stay when finished tags go, so these never
 * become less.
 */
#include "store_internal.h"

enum store_result
store_total_each(struct store *store, total_visit *visit, void *arg)
{
	struct domain_total total;
	enum store_result result;
	struct query query;

	if (!query_open(&query, store, STATE,
		"SELECT domain, sum(messages), sum(delivered), "
		"sum(delivered_bytes), sum(refused), sum(expired), "
		"sum(vanished) FROM usage WHERE domain != '' "
		"GROUP BY domain ORDER BY domain"))
		return STORE_FAILED;
	while ((result = query_row(&query)) == STORE_OK) {
		total.domain = query_text_at(&query, 0);
		total.messages = query_int_at(&query, 1);
		total.delivered = query_int_at(&query, 2);
		total.delivered_bytes = query_int_at(&query, 3);
		total.refused = query_int_at(&query, 4);
		total.expired = query_int_at(&query, 5);
		total.left = query_int_at(&query, 6);
		if (query_sound(&query))
			visit(&total, arg);
	}
	return query_end(&query, result);
}

enum store_result
store_total_service(struct store *store, struct service_total *total)
{
	enum store_result result;
	struct query query;

	if (!query_open(&query, store, STATE,
		"SELECT coalesce(sum(sessions), 0), "
		"coalesce(sum(seconds), 0), (SELECT began FROM reconciled) "
		"FROM usage WHERE domain = ''"))
		return STORE_FAILED;
	result = query_row(&query);
	if (result == STORE_OK) {
		total->sessions = query_int_at(&query, 0);
		total->seconds = query_int_at(&query, 1);
		total->reconciled = query_int_at(&query, 2);
	}
	return query_end(&query, result);
}
