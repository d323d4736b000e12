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
	return store_run(store,
	    "INSERT INTO workaround "
	    "(account, domain, what, why, since, until) "
	    "SELECT nullif(?1, 0), ?8, ?2, ?3, ?4, ?4 + iif(?5, ?7, ?6) "
	    "WHERE ?1 = 0 OR EXISTS (SELECT 1 FROM account WHERE id = ?1) "
	    "ON CONFLICT (coalesce(account, 0), domain, what) DO UPDATE "
	    "SET why = excluded.why, since = excluded.since, "
	    "until = excluded.since + iif(?5 OR since > ?4 - ?7, ?7, ?6)",
	    as_int(workaround->account), as_text(workaround->what),
	    as_text(workaround->why), as_int(workaround->since), as_int(sure),
	    as_int(GUESS_SECONDS), as_int(SURE_SECONDS),
	    as_text(workaround->domain));
}

enum store_result
store_workaround_forget(
    struct store *store, const struct workaround *workaround)
{
	return store_run(store,
	    "DELETE FROM workaround WHERE coalesce(account, 0) = ?1 "
	    "AND domain = ?2 AND what = ?3",
	    as_int(workaround->account), as_text(workaround->domain),
	    as_text(workaround->what));
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
		"AND until > ?3 AND since <= ?3 ORDER BY what",
		as_int(account), as_text(domain), as_int(now)))
		return STORE_FAILED;
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
		"WHERE domain = ?1 AND state = 'held' AND suspect > 0",
		as_text(domain), as_int(SUSPECT_APART)))
		return STORE_FAILED;
	while ((result = query_row(&query)) == STORE_OK) {
		suspect.queue_id = query_text_at(&query, 0);
		suspect.suspicion = (enum suspicion)query_int_at(&query, 1);
		suspect.faulted = query_int_at(&query, 2);
		if (query_sound(&query))
			visit(&suspect, arg);
	}
	return query_end(&query, result);
}
