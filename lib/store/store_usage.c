/* SPDX-License-Identifier: ISC */
/* What the service was used for: see store_count.c and store_session.c. */
#include "store_internal.h"

static void
read_figures(struct query *query, struct usage *usage)
{
	usage->messages = query_int_at(query, 3);
	usage->bytes = query_int_at(query, 4);
	usage->delivered = query_int_at(query, 5);
	usage->delivered_bytes = query_int_at(query, 6);
	usage->refused = query_int_at(query, 7);
	usage->expired = query_int_at(query, 8);
	usage->left = query_int_at(query, 9);
	usage->peak = query_int_at(query, 10);
	usage->sessions = query_int_at(query, 11);
	usage->seconds = query_int_at(query, 12);
}

static bool
read_usage(struct query *query, struct usage *usage)
{
	usage->day = query_text_at(query, 0);
	usage->account = query_text_at(query, 1);
	usage->domain = query_text_at(query, 2);
	read_figures(query, usage);
	return query_sound(query);
}

static enum store_result
visit_usage(struct store *store, const char *sql, const char *from,
    const char *to, usage_visit *visit, void *arg)
{
	enum store_result result;
	struct usage usage;
	struct query query;

	if (!query_open(&query, store, sql, as_text(from), as_text(to)))
		return STORE_FAILED;
	while ((result = query_row(&query)) == STORE_OK)
		if (read_usage(&query, &usage))
			visit(&usage, arg);
	return query_end(&query, result);
}

/* Of both tables, within the period. */
#define DAYS                                                                   \
	"(SELECT day, account, domain, messages, bytes, delivered, "           \
	"delivered_bytes, refused, expired, removed, peak, 0 AS sessions, "    \
	"0 AS seconds FROM usage WHERE day BETWEEN ?1 AND ?2 "                 \
	"UNION ALL SELECT day, account, '', 0, 0, 0, 0, 0, 0, 0, 0, "          \
	"sessions, seconds FROM session_usage WHERE day BETWEEN ?1 AND ?2) "

enum store_result
store_usage_days(struct store *store, const char *from, const char *to,
    usage_visit *visit, void *arg)
{
	static const char sql[] =
	    "SELECT * FROM " DAYS "ORDER BY day, account, domain";

	return visit_usage(store, sql, from, to, visit, arg);
}

/* Nobody's come last. total() would be a floating-point number; sum() of a NOT
 * NULL column in a group has no NULL. */
enum store_result
store_usage_period(struct store *store, const char *from, const char *to,
    usage_visit *visit, void *arg)
{
	static const char sql[] =
	    "SELECT NULL, account, domain, sum(messages), sum(bytes), "
	    "sum(delivered), sum(delivered_bytes), sum(refused), "
	    "sum(expired), sum(removed), max(peak), sum(sessions), "
	    "sum(seconds) FROM " DAYS "GROUP BY account, domain "
	    "ORDER BY account = '', account, domain";

	return visit_usage(store, sql, from, to, visit, arg);
}

/* ---- totals -------------------------------------------------------------- */

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
