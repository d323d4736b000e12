/* SPDX-License-Identifier: ISC */
/*
 * The reversed sessions of the running odmrd, for "odmrctl sessions"
 *. Nothing that mail depends on is decided by them: whose pid is
 * dead is not there. When a row goes, its session and seconds go into usage.
 */
#include "store_internal.h"

enum store_result
store_session_put(struct store *store, const struct session_row *session)
{
	struct query query;

	if (!query_open(&query, store,
		"INSERT INTO session (id, pid, account, client, domains, "
		"state, attempted, delivered, refused, kept, bytes, "
		"in_flight, rate, since, noted) VALUES (?1, ?2, ?3, ?4, ?5, "
		"?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) "
		"ON CONFLICT (id) DO UPDATE SET pid = excluded.pid, "
		"account = excluded.account, client = excluded.client, "
		"domains = excluded.domains, state = excluded.state, "
		"attempted = excluded.attempted, "
		"delivered = excluded.delivered, refused = excluded.refused, "
		"kept = excluded.kept, bytes = excluded.bytes, "
		"in_flight = excluded.in_flight, rate = excluded.rate, "
		"since = excluded.since, noted = excluded.noted"))
		return STORE_FAILED;
	query_text(&query, session->id);
	query_int(&query, session->pid);
	query_text(&query, session->account);
	query_text(&query, session->client);
	query_text(&query, session->domains);
	query_text(&query, session->state);
	query_int(&query, session->attempted);
	query_int(&query, session->delivered);
	query_int(&query, session->refused);
	query_int(&query, session->kept);
	query_int(&query, session->bytes);
	query_int(&query, session->in_flight);
	query_int(&query, session->rate);
	query_int(&query, session->since);
	query_int(&query, session->noted);
	return query_run(&query);
}

/* ---- the end ------------------------------------------------------------ */

/* Sessions that end at ?1, or where they were last noted if that is 0. */
#define INTO_USAGE                                                             \
	"INSERT INTO usage (day, domain, account, sessions, seconds) "         \
	"SELECT date(iif(?1 > 0, ?1, noted), 'unixepoch', 'localtime'), '', "  \
	"account, 1, max(0, iif(?1 > 0, ?1, noted) - since) FROM session "

#define ADDED                                                                  \
	" ON CONFLICT (day, domain, account) DO UPDATE SET "                   \
	"sessions = sessions + 1, seconds = seconds + excluded.seconds"

static enum store_result
end_one(struct store *store, const char *id, int64_t now)
{
	struct query query;

	if (!query_open(&query, store, INTO_USAGE "WHERE id = ?2" ADDED))
		return STORE_FAILED;
	query_int(&query, now);
	query_text(&query, id);
	if (query_run(&query) == STORE_FAILED ||
	    !query_open(&query, store, "DELETE FROM session WHERE id = ?1"))
		return STORE_FAILED;
	query_text(&query, id);
	return query_change(&query);
}

enum store_result
store_session_end(struct store *store, const char *id, int64_t now)
{
	enum store_result result;

	if (store->in_transaction)
		return end_one(store, id, now);
	if (store_begin(store) != STORE_OK)
		return STORE_FAILED;
	result = end_one(store, id, now);
	if (result == STORE_OK)
		return store_commit(store);
	store_rollback(store);
	return result;
}

static enum store_result
end_all(struct store *store)
{
	struct query query;

	if (!query_open(&query, store, INTO_USAGE "WHERE true" ADDED))
		return STORE_FAILED;
	query_int(&query, 0);
	if (query_run(&query) == STORE_FAILED ||
	    !query_open(&query, store, "DELETE FROM session"))
		return STORE_FAILED;
	return query_run(&query);
}

enum store_result
store_session_clear(struct store *store)
{
	if (store_begin(store) != STORE_OK)
		return STORE_FAILED;
	if (end_all(store) == STORE_OK)
		return store_commit(store);
	store_rollback(store);
	return STORE_FAILED;
}

/* ---- looking ------------------------------------------------------------ */

static bool
read_session(struct query *query, struct session_row *session)
{
	session->id = query_text_at(query, 0);
	session->pid = (long)query_int_at(query, 1);
	session->account = query_text_at(query, 2);
	session->client = query_text_at(query, 3);
	session->domains = query_text_at(query, 4);
	session->state = query_text_at(query, 5);
	session->attempted = query_int_at(query, 6);
	session->delivered = query_int_at(query, 7);
	session->refused = query_int_at(query, 8);
	session->kept = query_int_at(query, 9);
	session->bytes = query_int_at(query, 10);
	session->in_flight = query_int_at(query, 11);
	session->rate = query_int_at(query, 12);
	session->since = query_int_at(query, 13);
	session->noted = query_int_at(query, 14);
	session->held = query_int_at(query, 15);
	return query_sound(query);
}

/* A domain's name has nothing that JSON would have to escape. */
enum store_result
store_session_each(struct store *store, session_visit *visit, void *arg)
{
	enum store_result result;
	struct session_row session;
	struct query query;

	if (!query_open(&query, store,
		"SELECT id, pid, account, client, domains, state, attempted, "
		"delivered, refused, kept, bytes, in_flight, rate, since, "
		"noted, (SELECT coalesce(sum(waiting.held), 0) FROM "
		"json_each('[\"' || replace(domains, char(10), '\",\"') || "
		"'\"]') JOIN waiting ON waiting.domain = value) "
		"FROM session ORDER BY since, id"))
		return STORE_FAILED;
	while ((result = query_row(&query)) == STORE_OK)
		if (read_session(&query, &session))
			visit(&session, arg);
	return query_end(&query, result);
}
