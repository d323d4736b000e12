/* SPDX-License-Identifier: ISC */
/*
 * When domains are started by the clock (state.db). `last` of a schedule is the
 * time up to which nothing of it is due any more.
 */
#include "store_internal.h"

/* The domain is in the other database: no foreign key. */
enum store_result
store_schedule_add(struct store *store, const struct schedule *schedule)
{
	struct query query;

	if (!query_open(&query, store, STATE,
		"INSERT INTO schedule (domain, fields, last) "
		"VALUES (?1, ?2, ?3)"))
		return STORE_FAILED;
	query_text(&query, schedule->domain);
	query_text(&query, schedule->fields);
	query_int(&query, schedule->last);
	return query_run(&query);
}

enum store_result
store_schedule_remove(
    struct store *store, const char *domain, const char *fields)
{
	struct query query;

	if (!query_open(&query, store, STATE,
		"DELETE FROM schedule WHERE domain = ?1 "
		"AND (?2 IS NULL OR fields = ?2)"))
		return STORE_FAILED;
	query_text(&query, domain);
	query_text(&query, fields);
	return query_change(&query);
}

static bool
read_schedule(struct query *query, struct schedule *schedule)
{
	schedule->domain = query_text_at(query, 0);
	schedule->fields = query_text_at(query, 1);
	schedule->last = query_int_at(query, 2);
	return query_sound(query);
}

enum store_result
store_schedule_each(
    struct store *store, const char *domain, schedule_visit *visit, void *arg)
{
	enum store_result result;
	struct schedule schedule;
	struct query query;

	if (!query_open(&query, store, STATE,
		"SELECT domain, fields, last FROM schedule "
		"WHERE ?1 IS NULL OR domain = ?1 ORDER BY domain, fields"))
		return STORE_FAILED;
	query_text(&query, domain);
	while ((result = query_row(&query)) == STORE_OK)
		if (read_schedule(&query, &schedule))
			visit(&schedule, arg);
	return query_end(&query, result);
}

enum store_result
store_schedule_done(struct store *store, const char *domain, int64_t when)
{
	struct query query;

	if (!query_open(&query, store, STATE,
		"UPDATE schedule SET last = ?2 "
		"WHERE domain = ?1 AND last < ?2"))
		return STORE_FAILED;
	query_text(&query, domain);
	query_int(&query, when);
	return query_run(&query);
}

enum store_result
store_schedule_wind_back(struct store *store, int64_t now)
{
	struct query query;

	if (!query_open(&query, store, STATE,
		"UPDATE schedule SET last = ?1 WHERE last > ?1 + 60"))
		return STORE_FAILED;
	query_int(&query, now);
	return query_run(&query);
}
