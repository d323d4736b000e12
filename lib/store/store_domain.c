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
	struct query query;

	if (!query_open(&query, store,
		"INSERT INTO domain (id, name, mode, nexthop, socket, created) "
		"SELECT next, ?1, ?2, ?3, "
		"iif(length(?1) <= ?4, ?1, 'd' || next), ?5 "
		"FROM (SELECT coalesce(max(seq), 0) + 1 AS next "
		"FROM sqlite_sequence WHERE name = 'domain')"))
		return STORE_FAILED;
	query_text(&query, name);
	query_text(&query, domain_mode_name(mode));
	query_text(&query, nexthop);
	query_int(&query, SOCKET_NAME_MAX);
	query_int(&query, time(NULL));
	return query_run(&query);
}

enum store_result
store_domain_set(struct store *store, const char *name, enum domain_mode mode,
    const char *nexthop)
{
	struct query query;

	if (!query_open(&query, store,
		"UPDATE domain SET mode = ?1, nexthop = ?2 WHERE name = ?3"))
		return STORE_FAILED;
	query_text(&query, domain_mode_name(mode));
	query_text(&query, nexthop);
	query_text(&query, name);
	return query_change(&query);
}

enum store_result
store_domain_remove(struct store *store, const char *name)
{
	struct query query;

	if (!query_open(&query, store, "DELETE FROM domain WHERE name = ?1"))
		return STORE_FAILED;
	query_text(&query, name);
	return query_change(&query);
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

enum store_result
store_domain_get(
    struct store *store, const char *name, domain_visit *visit, void *arg)
{
	enum store_result result;
	struct domain domain;
	struct query query;

	if (!query_open(&query, store, SELECT_DOMAIN "WHERE name = ?1"))
		return STORE_FAILED;
	query_text(&query, name);
	result = query_row(&query);
	if (result == STORE_OK && !read_domain(&query, &domain))
		result = query_row(&query);
	else if (result == STORE_OK && visit != NULL)
		visit(&domain, arg);
	query_close(&query);
	return result;
}

enum store_result
store_domain_owner(struct store *store, const char *name, int64_t *account)
{
	enum store_result result;
	struct query query;

	if (!query_open(&query, store,
		"SELECT max(account) FROM access WHERE domain = ?1 "
		"GROUP BY domain HAVING count(*) = 1"))
		return STORE_FAILED;
	query_text(&query, name);
	result = query_row(&query);
	if (result == STORE_OK)
		*account = query_int_at(&query, 0);
	query_close(&query);
	return result;
}

static const char select_domains[] = SELECT_DOMAIN "ORDER BY name";

enum store_result
store_domain_each(struct store *store, domain_visit *visit, void *arg)
{
	enum store_result result;
	struct domain domain;
	struct query query;

	if (!query_open(&query, store, select_domains))
		return STORE_FAILED;
	while ((result = query_row(&query)) == STORE_OK)
		if (read_domain(&query, &domain))
			visit(&domain, arg);
	return query_end(&query, result);
}

/* The sums are kept by triggers, so that a hundred thousand tags need not be
 * counted; the rest is one step in an index. */
static enum store_result
read_held(struct store *store, struct domain_status *status)
{
	enum store_result result;
	struct query query;

	if (!query_open(&query, store,
		"SELECT held, bytes, coalesce((SELECT min(arrived) FROM tag "
		"WHERE domain = ?1 AND state = 'held'), 0), "
		"(SELECT count(*) FROM tag WHERE domain = ?1 "
		"AND state = 'held' AND doubted IS NOT NULL), "
		"(SELECT count(*) FROM tag WHERE domain = ?1 "
		"AND state = 'held' AND suspect > 0 AND " SET_APART "), "
		"(SELECT count(*) FROM tag WHERE domain = ?1 "
		"AND state = 'held' AND on_hold) "
		"FROM waiting WHERE domain = ?1"))
		return STORE_FAILED;
	query_text(&query, status->domain.name);
	result = query_row(&query);
	if (result == STORE_OK) {
		status->held = query_int_at(&query, 0);
		status->bytes = query_int_at(&query, 1);
		status->oldest = query_int_at(&query, 2);
		status->doubted = query_int_at(&query, 3);
		status->apart = query_int_at(&query, 4);
		status->on_hold = query_int_at(&query, 5);
	}
	return query_end(&query, result);
}

static enum store_result
read_collected(struct store *store, struct domain_status *status)
{
	enum store_result result;
	struct query query;

	if (!query_open(&query, store,
		"SELECT last, delivered FROM collected WHERE domain = ?1"))
		return STORE_FAILED;
	query_text(&query, status->domain.name);
	result = query_row(&query);
	if (result == STORE_OK) {
		status->last_collected = query_int_at(&query, 0);
		status->delivered = query_int_at(&query, 1);
	}
	return query_end(&query, result);
}

enum store_result
store_status_each(struct store *store, status_visit *visit, void *arg)
{
	enum store_result result;
	struct query query;

	if (!query_open(&query, store, select_domains))
		return STORE_FAILED;
	while ((result = query_row(&query)) == STORE_OK) {
		struct domain_status status = { 0 };

		if (!read_domain(&query, &status.domain))
			continue;
		result = read_held(store, &status);
		if (result == STORE_OK)
			result = read_collected(store, &status);
		if (result != STORE_OK)
			break;
		visit(&status, arg);
	}
	return query_end(&query, result);
}
