/* SPDX-License-Identifier: ISC */
/* What etrn-trigger --probe knows of next hops. */
#include "store_internal.h"

enum store_result
store_probe_put(
    struct store *store, const char *domain, const struct probe_state *state)
{
	return store_run(store,
	    "INSERT OR REPLACE INTO probe (domain, up, times, next) "
	    "VALUES (?1, ?2, ?3, ?4)",
	    as_text(domain), as_int(state->up), as_int(state->times),
	    as_int(state->next));
}

enum store_result
store_probe_drop(struct store *store, const char *domain)
{
	return store_change(
	    store, "DELETE FROM probe WHERE domain = ?1", as_text(domain));
}

enum store_result
store_probe_each(struct store *store, probe_visit *visit, void *arg)
{
	enum store_result result;
	struct probe_state state;
	struct query query;
	const char *domain;

	if (!query_open(&query, store,
		"SELECT domain, up, times, next FROM probe ORDER BY domain",
		no_value))
		return STORE_FAILED;
	while ((result = query_row(&query)) == STORE_OK) {
		domain = query_text_at(&query, 0);
		state.up = query_int_at(&query, 1) != 0;
		state.times = query_int_at(&query, 2);
		state.next = query_int_at(&query, 3);
		if (query_sound(&query))
			visit(domain, &state, arg);
	}
	return query_end(&query, result);
}
