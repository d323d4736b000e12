/* SPDX-License-Identifier: ISC */
/*
 * Who may start a domain's deliveries by ETRN: accounts with a grant of it,
 * and permissions of their own.
 *
 * A permission is found by its name. The names that would do for a client are
 * its login and the 33 or 129 networks around its address; they go into the
 * query as one JSON array, so that each costs a step in an index however many
 * permissions there are.
 */
#include <stdio.h>
#include <string.h>

#include "lib/network.h"
#include "store_internal.h"

enum { NETWORKS_SIZE = 129 * (NETWORK_TEXT_SIZE + 3) + 2 };

/* Names as ?1 and ?2; NULL matches nothing. */
#define WHO_IS_CLIENT                                                          \
	"who IN (SELECT value FROM json_each(?1) "                             \
	"UNION ALL SELECT '" ETRN_LOGIN "' || ?2) "

enum store_result
store_etrn_allow(struct store *store, const char *domain, const char *who)
{
	return store_run(store,
	    "INSERT INTO etrn (domain, who) VALUES (?1, ?2)", as_text(domain),
	    as_text(who));
}

enum store_result
store_etrn_deny(struct store *store, const char *domain, const char *who)
{
	return store_change(store,
	    "DELETE FROM etrn WHERE domain = ?1 AND who = ?2", as_text(domain),
	    as_text(who));
}

enum store_result
store_etrn_forget(struct store *store, const char *login)
{
	return store_run(store,
	    "DELETE FROM etrn WHERE who = '" ETRN_LOGIN "' || ?1",
	    as_text(login));
}

enum store_result
store_etrn_each(
    struct store *store, const char *domain, etrn_visit *visit, void *arg)
{
	struct etrn_permission permission;
	enum store_result result;
	struct query query;

	if (!query_open(&query, store,
		"SELECT domain, who FROM etrn "
		"WHERE domain = ?1 OR ?1 IS NULL ORDER BY domain, who",
		as_text(domain)))
		return STORE_FAILED;
	while ((result = query_row(&query)) == STORE_OK) {
		permission.domain = query_text_at(&query, 0);
		permission.who = query_text_at(&query, 1);
		if (query_sound(&query))
			visit(&permission, arg);
	}
	return query_end(&query, result);
}

/* The networks around `address`, the narrowest first, as a JSON array. Their
 * texts have nothing that JSON would want escaped. */
static const char *
networks_around(const char *address, char out[NETWORKS_SIZE])
{
	char text[NETWORK_TEXT_SIZE], *end = out;
	struct network network;
	bool wider = address != NULL && network_of_address(address, &network);

	*end++ = '[';
	while (wider) {
		if (end > out + 1)
			*end++ = ',';
		end += sprintf(end, "\"%s\"", network_text(&network, text));
		wider = network_widen(&network);
	}
	strcpy(end, "]");
	return out;
}

enum store_result
store_etrn_may(
    struct store *store, const struct etrn_client *client, const char *domain)
{
	char networks[NETWORKS_SIZE];

	return store_number(store, NULL,
	    "SELECT 1 FROM access WHERE account = ?4 AND domain = ?3 UNION ALL "
	    "SELECT 1 FROM etrn WHERE " WHO_IS_CLIENT "AND domain = ?3 LIMIT 1",
	    as_text(networks_around(client->address, networks)),
	    as_text(client->login), as_text(domain), as_int(client->account));
}

enum store_result
store_etrn_may_any(struct store *store, const struct etrn_client *client)
{
	char networks[NETWORKS_SIZE];

	return store_number(store, NULL,
	    "SELECT 1 FROM access WHERE account = ?3 UNION ALL "
	    "SELECT 1 FROM etrn WHERE " WHO_IS_CLIENT "LIMIT 1",
	    as_text(networks_around(client->address, networks)),
	    as_text(client->login), as_int(client->account));
}

/* Those that a grant gives already are left out. */
static enum store_result
permitted_domains(struct store *store, const struct etrn_client *client,
    name_visit *visit, void *arg)
{
	char networks[NETWORKS_SIZE];

	return store_names(store, visit, arg,
	    "SELECT DISTINCT domain FROM etrn WHERE " WHO_IS_CLIENT
	    "AND NOT EXISTS (SELECT 1 FROM access WHERE account = ?3 "
	    "AND access.domain = etrn.domain)",
	    as_text(networks_around(client->address, networks)),
	    as_text(client->login), as_int(client->account));
}

enum store_result
store_etrn_domains(struct store *store, const struct etrn_client *client,
    name_visit *visit, void *arg)
{
	enum store_result result =
	    store_grants(store, client->account, visit, arg);

	if (result == STORE_OK)
		result = permitted_domains(store, client, visit, arg);
	return result;
}

/* Each connection to Postfix may have a process of its own, and all of them
 * have to know. A time in the future is that of a clock which was put right
 * since. */
enum store_result
store_etrn_last(
    struct store *store, const char *domain, int64_t now, int64_t interval)
{
	return store_change(store,
	    "INSERT INTO etrn_last (domain, at) VALUES (?1, ?2) "
	    "ON CONFLICT (domain) DO UPDATE SET at = ?2 "
	    "WHERE at <= ?2 - ?3 OR at > ?2",
	    as_text(domain), as_int(now), as_int(interval));
}
