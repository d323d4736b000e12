/* SPDX-License-Identifier: ISC */
/*
 * What sessions have taught about a customer's server (table workaround) and
 * about messages that had to do with the end of a session (in their tags).
 */
#include "store_internal.h"

/* A tag's suspect is an enum suspicion, which grows only as long as the
 * customer does not answer. A session that ended at a message counts again
 * only if it took others: a server that is down breaks all of them. */
enum {
	GUESS_SECONDS = 3600,
	SURE_SECONDS = 24 * 3600,
};

enum store_result
store_workaround_put(
    struct store *store, const struct workaround *workaround, bool sure)
{
	struct query query;

	if (!query_open(&query, store,
		"INSERT INTO workaround "
		"(account, domain, what, why, since, until) "
		"SELECT nullif(?1, 0), ?8, ?2, ?3, ?4, ?4 + iif(?5, ?7, ?6) "
		"WHERE ?1 = 0 OR EXISTS (SELECT 1 FROM account WHERE id = ?1) "
		"ON CONFLICT (coalesce(account, 0), domain, what) DO UPDATE "
		"SET why = excluded.why, since = excluded.since, "
		"until = excluded.since + iif(?5 OR since > ?4 - ?7, ?7, ?6)"))
		return STORE_FAILED;
	query_int(&query, workaround->account);
	query_text(&query, workaround->what);
	query_text(&query, workaround->why);
	query_int(&query, workaround->since);
	query_int(&query, sure);
	query_int(&query, GUESS_SECONDS);
	query_int(&query, SURE_SECONDS);
	query_text(&query, workaround->domain);
	return query_run(&query);
}

enum store_result
store_workaround_forget(
    struct store *store, const struct workaround *workaround)
{
	struct query query;

	if (!query_open(&query, store,
		"DELETE FROM workaround WHERE coalesce(account, 0) = ?1 "
		"AND domain = ?2 AND what = ?3"))
		return STORE_FAILED;
	query_int(&query, workaround->account);
	query_text(&query, workaround->domain);
	query_text(&query, workaround->what);
	return query_run(&query);
}

enum store_result
store_workaround_each(struct store *store, int64_t account, const char *domain,
    int64_t now, workaround_visit *visit, void *arg)
{
	struct workaround workaround = { .account = account, .domain = domain };
	enum store_result result;
	struct query query;

	if (!query_open(&query, store,
		"SELECT what, why, since, until FROM workaround "
		"WHERE coalesce(account, 0) = ?1 AND domain = ?2 "
		"AND until > ?3 AND since <= ?3 ORDER BY what"))
		return STORE_FAILED;
	query_int(&query, account);
	query_text(&query, domain);
	query_int(&query, now);
	while ((result = query_row(&query)) == STORE_OK) {
		workaround.what = query_text_at(&query, 0);
		workaround.why = query_text_at(&query, 1);
		workaround.since = query_int_at(&query, 2);
		workaround.until = query_int_at(&query, 3);
		if (query_sound(&query))
			visit(&workaround, arg);
	}
	return query_end(&query, result);
}

enum store_result
store_suspects(
    struct store *store, const char *domain, suspect_visit *visit, void *arg)
{
	enum store_result result;
	struct suspect suspect;
	struct query query;

	if (!query_open(&query, store,
		"SELECT queue_id, iif(" SET_APART ", ?2, suspect), "
		"coalesce(faulted, 0) FROM tag "
		"WHERE domain = ?1 AND state = 'held' AND suspect > 0"))
		return STORE_FAILED;
	query_text(&query, domain);
	query_int(&query, SUSPECT_APART);
	while ((result = query_row(&query)) == STORE_OK) {
		suspect.queue_id = query_text_at(&query, 0);
		suspect.suspicion = (enum suspicion)query_int_at(&query, 1);
		suspect.faulted = query_int_at(&query, 2);
		if (query_sound(&query))
			visit(&suspect, arg);
	}
	return query_end(&query, result);
}
