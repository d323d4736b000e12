/* SPDX-License-Identifier: ISC */
/*
 * The reversed sessions of the running odmrd, for "odmrctl sessions".
 * Nothing that mail depends on is decided by them: whose pid is
 * dead is not there. When a row goes, it and its seconds go into session_usage.
 */
#include "store_internal.h"

static enum store_result
write_row(
    struct store *store, const struct session_row *session, const char *sql)
{
	return store_change(store, sql, as_text(session->id),
	    as_int(session->pid), as_text(session->account),
	    as_text(session->client), as_text(session->state),
	    as_int(session->attempted), as_int(session->delivered),
	    as_int(session->refused), as_int(session->kept),
	    as_int(session->bytes), as_int(session->in_flight),
	    as_int(session->rate), as_int(session->since),
	    as_int(session->noted));
}

static enum store_result
put(struct store *store, void *arg)
{
	const struct session_row *session = arg;
	enum store_result result;

	result = write_row(store, session,
	    "UPDATE session SET pid = ?2, account = ?3, client = ?4, "
	    "state = ?5, attempted = ?6, delivered = ?7, refused = ?8, "
	    "kept = ?9, bytes = ?10, in_flight = ?11, rate = ?12, "
	    "since = ?13, noted = ?14 WHERE id = ?1");
	if (result != STORE_NONE)
		return result;
	result = write_row(store, session,
	    "INSERT INTO session (id, pid, account, client, state, attempted, "
	    "delivered, refused, kept, bytes, in_flight, rate, since, noted) "
	    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, "
	    "?14)");
	return result == STORE_OK
	    ? insert_lines(store,
		  "INSERT INTO session_domain (session, domain) "
		  "VALUES (?1, ?2) ON CONFLICT DO NOTHING",
		  as_text(session->id), session->domains)
	    : result;
}

enum store_result
store_session_put(struct store *store, const struct session_row *session)
{
	return store_whole(store, put, (void *)(uintptr_t)session);
}

/* ---- the end ------------------------------------------------------------ */

/* `id` NULL: all; `now` 0: when they were last noted. */
struct end {
	const char *id;
	int64_t now;
};

static enum store_result
end_sessions(struct store *store, void *arg)
{
	const struct end *end = arg;
	enum store_result result = store_run(store,
	    "INSERT INTO session_usage (day, account, sessions, seconds) "
	    "SELECT date(iif(?1 > 0, ?1, noted), 'unixepoch'), account, 1, "
	    "max(0, iif(?1 > 0, ?1, noted) - since) FROM session "
	    "WHERE id = ?2 OR ?2 IS NULL "
	    "ON CONFLICT (day, account) DO UPDATE SET "
	    "sessions = sessions + 1, seconds = seconds + excluded.seconds",
	    as_int(end->now), as_text(end->id));

	if (result != STORE_OK)
		return STORE_FAILED;
	return store_change(store,
	    "DELETE FROM session WHERE id = ?1 OR ?1 IS NULL",
	    as_text(end->id));
}

enum store_result
store_session_end(struct store *store, const char *id, int64_t now)
{
	return store_whole(store, end_sessions, &(struct end) { id, now });
}

enum store_result
store_session_clear(struct store *store)
{
	struct end all = { NULL, 0 };

	return store_whole(store, end_sessions, &all) == STORE_FAILED
	    ? STORE_FAILED
	    : STORE_OK;
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

enum store_result
store_session_each(struct store *store, session_visit *visit, void *arg)
{
	enum store_result result;
	struct session_row session;
	struct query query;

	if (!query_open(&query, store,
		"SELECT id, pid, account, client, coalesce((SELECT "
		"group_concat(domain, char(10)) FROM (SELECT domain "
		"FROM session_domain WHERE session_domain.session = session.id "
		"ORDER BY domain)), ''), state, attempted, "
		"delivered, refused, kept, bytes, in_flight, rate, since, "
		"noted, (SELECT coalesce(sum(held), 0) FROM session_domain "
		"JOIN domain_count USING (domain) WHERE session_domain.session "
		"= session.id) "
		"FROM session ORDER BY since, id",
		no_value))
		return STORE_FAILED;
	while ((result = query_row(&query)) == STORE_OK)
		if (read_session(&query, &session))
			visit(&session, arg);
	return query_end(&query, result);
}
