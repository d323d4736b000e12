/* SPDX-License-Identifier: ISC */
/*
 * Domains, and their totals for status. What refers to a domain goes with it,
 * by foreign keys; only its messages stay.
 */
#include <string.h>
#include <time.h>

#include "store_internal.h"

static const char *const mode_names[] = {
	[MODE_ODMR] = "odmr",
	[MODE_BACKUP] = "backup",
	[MODE_HOLD] = "hold",
};

const char *
domain_mode_name(enum domain_mode mode)
{
	return mode_names[mode];
}

bool
domain_mode_parse(const char *text, enum domain_mode *mode)
{
	for (int i = MODE_ODMR; i <= MODE_HOLD; i++) {
		if (strcmp(text, mode_names[i]) != 0)
			continue;
		*mode = (enum domain_mode)i;
		return true;
	}
	return false;
}

/* A socket's path must fit sun_path; "d7" cannot be another domain's name,
 * which has two labels. */
enum store_result
store_domain_add(struct store *store, const char *name, enum domain_mode mode,
    const char *nexthop)
{
	return store_run(store,
	    "INSERT INTO domain (id, name, mode, nexthop, socket, created) "
	    "SELECT next, ?1, ?2, ?3, "
	    "iif(length(?1) <= ?4, ?1, 'd' || next), ?5 "
	    "FROM (SELECT coalesce(max(seq), 0) + 1 AS next "
	    "FROM sqlite_sequence WHERE name = 'domain')",
	    as_text(name), as_text(domain_mode_name(mode)), as_text(nexthop),
	    as_int(SOCKET_NAME_MAX), as_int(time(NULL)));
}

enum store_result
store_domain_set(struct store *store, const char *name, enum domain_mode mode,
    const char *nexthop)
{
	return store_change(store,
	    "UPDATE domain SET mode = ?1, nexthop = ?2 WHERE name = ?3",
	    as_text(domain_mode_name(mode)), as_text(nexthop), as_text(name));
}

enum store_result
store_domain_remove(struct store *store, const char *name)
{
	return store_change(
	    store, "DELETE FROM domain WHERE name = ?1", as_text(name));
}

#define SELECT_DOMAIN "SELECT name, mode, nexthop, socket, created FROM domain "

static bool
read_domain(struct query *query, struct domain *domain)
{
	const char *mode;

	domain->name = query_text_at(query, 0);
	mode = query_text_at(query, 1);
	domain->nexthop = query_text_at(query, 2);
	domain->socket = query_text_at(query, 3);
	domain->created = query_int_at(query, 4);
	if (query_sound(query) && !domain_mode_parse(mode, &domain->mode))
		query->rc = SQLITE_CORRUPT;
	return query_sound(query);
}

/* STORE_NONE: there are none. */
static enum store_result
visit_domains(struct store *store, const char *sql, struct value name,
    domain_visit *visit, void *arg)
{
	enum store_result result, found = STORE_NONE;
	struct domain domain;
	struct query query;

	if (!query_open(&query, store, sql, name))
		return STORE_FAILED;
	while ((result = query_row(&query)) == STORE_OK) {
		found = STORE_OK;
		if (read_domain(&query, &domain) && visit != NULL)
			visit(&domain, arg);
	}
	result = query_end(&query, result);
	return result == STORE_OK ? found : result;
}

enum store_result
store_domain_get(
    struct store *store, const char *name, domain_visit *visit, void *arg)
{
	return visit_domains(
	    store, SELECT_DOMAIN "WHERE name = ?1", as_text(name), visit, arg);
}

enum store_result
store_domain_owner(struct store *store, const char *name, int64_t *account)
{
	enum store_result result;
	struct query query;

	if (!query_open(&query, store,
		"SELECT account FROM access WHERE domain = ?1 "
		"ORDER BY account LIMIT 1",
		as_text(name)))
		return STORE_FAILED;
	result = query_row(&query);
	if (result == STORE_OK)
		*account = query_int_at(&query, 0);
	query_close(&query);
	return result;
}

enum store_result
store_domain_each(struct store *store, domain_visit *visit, void *arg)
{
	return some_or_none(visit_domains(
	    store, SELECT_DOMAIN "ORDER BY name", no_value, visit, arg));
}

#define HELD_OF "FROM tag WHERE tag.domain = domain.name AND state = 'held' "

static bool
read_status(struct query *query, struct domain_status *status)
{
	status->held = query_int_at(query, 5);
	status->bytes = query_int_at(query, 6);
	status->last_collected = query_int_at(query, 7);
	status->delivered = query_int_at(query, 8);
	status->oldest = query_int_at(query, 9);
	status->doubted = query_int_at(query, 10);
	status->apart = query_int_at(query, 11);
	status->on_hold = query_int_at(query, 12);
	return read_domain(query, &status->domain);
}

/* What waits is counted as it comes and goes, so that a hundred thousand tags
 * need not be counted here; the rest is one step in an index. */
enum store_result
store_status_each(struct store *store, status_visit *visit, void *arg)
{
	enum store_result result;
	struct domain_status status;
	struct query query;

	if (!query_open(&query, store,
		"SELECT name, mode, nexthop, socket, created, "
		"coalesce(held, 0), coalesce(held_bytes, 0), "
		"coalesce(collected_at, 0), coalesce(collected, 0), "
		"coalesce((SELECT min(arrived) " HELD_OF "), 0), "
		"(SELECT count(*) " HELD_OF "AND first_5xx_at IS NOT NULL), "
		"(SELECT count(*) " HELD_OF "AND suspect > 0 AND " SET_APART
		"), (SELECT count(*) " HELD_OF "AND on_hold) "
		"FROM domain LEFT JOIN domain_count "
		"ON domain_count.domain = name ORDER BY name",
		no_value))
		return STORE_FAILED;
	while ((result = query_row(&query)) == STORE_OK)
		if (read_status(&query, &status))
			visit(&status, arg);
	return query_end(&query, result);
}
