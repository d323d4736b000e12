/* SPDX-License-Identifier: ISC */
/*
 * The reversed sessions of the running odmrd, for "odmrctl status"
 * (state.db). Nothing depends on them: whose pid is dead is not there.
 */
#include "store_internal.h"

enum store_result
store_session_put(struct store *store, const struct session_row *session)
{
	struct query query;

	if (!query_open(&query, store, STATE,
		"INSERT OR REPLACE INTO session (id, pid, account, client, "
		"domains, state, delivered, bytes, since) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"))
		return STORE_FAILED;
	query_text(&query, session->id);
	query_int(&query, session->pid);
	query_text(&query, session->account);
	query_text(&query, session->client);
	query_text(&query, session->domains);
	query_text(&query, session->state);
	query_int(&query, session->delivered);
	query_int(&query, session->bytes);
	query_int(&query, session->since);
	return query_run(&query);
}

enum store_result
store_session_drop(struct store *store, const char *id)
{
	struct query query;

	if (!query_open(
		&query, store, STATE, "DELETE FROM session WHERE id = ?1"))
		return STORE_FAILED;
	query_text(&query, id);
	return query_change(&query);
}

enum store_result
store_session_clear(struct store *store)
{
	struct query query;

	if (!query_open(&query, store, STATE, "DELETE FROM session"))
		return STORE_FAILED;
	return query_run(&query);
}

static bool
read_session(struct query *query, struct session_row *session)
{
	session->id = query_text_at(query, 0);
	session->pid = (long)query_int_at(query, 1);
	session->account = query_text_at(query, 2);
	session->client = query_text_at(query, 3);
	session->domains = query_text_at(query, 4);
	session->state = query_text_at(query, 5);
	session->delivered = query_int_at(query, 6);
	session->bytes = query_int_at(query, 7);
	session->since = query_int_at(query, 8);
	return query_sound(query);
}

enum store_result
store_session_each(struct store *store, session_visit *visit, void *arg)
{
	enum store_result result;
	struct session_row session;
	struct query query;

	if (!query_open(&query, store, STATE,
		"SELECT id, pid, account, client, domains, state, delivered, "
		"bytes, since FROM session ORDER BY since, id"))
		return STORE_FAILED;
	while ((result = query_row(&query)) == STORE_OK)
		if (read_session(&query, &session))
			visit(&session, arg);
	return query_end(&query, result);
}
