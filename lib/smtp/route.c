/* SPDX-License-Identifier: ISC */
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/endpoint.h"
#include "mx.h"
#include "self.h"
#include "route.h"

#define SMTP_PORT "25"

/* No host is looked up after that; the look-up that runs then takes some
 * seconds more. */
enum { LOOKING_MS = 15000 };

struct search {
	struct route *route;
	const struct endpoint *hop;
	const char *port;
	const char *ourselves;
	int64_t until_ms;
};

/* Hosts of one preference. */
struct group {
	const struct mx_host *hosts;
	size_t count;
	struct addrinfo *found[MX_HOSTS_MAX];
};

static void
explain(struct search *search, const char *host, const char *why)
{
	snprintf(search->route->why, ROUTE_WHY_SIZE, "%.253s: %s", host, why);
}

static struct addrinfo *
resolve(struct search *search, const char *host)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV,
	};
	struct addrinfo *found = NULL;
	int error = getaddrinfo(host, search->port, &hints, &found);

	if (error == 0)
		return found;
	explain(search, host, gai_strerror(error));
	return NULL;
}

static bool
is_proxied(const struct search *search, const struct addrinfo *one)
{
	char text[64];

	return getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof(text),
		   NULL, 0, NI_NUMERICHOST) == 0 &&
	    self_is_called(search->ourselves, text, strlen(text));
}

static bool
is_ours(const struct search *search, const struct group *group)
{
	const char *name;

	for (size_t i = 0; i < group->count; i++) {
		name = group->hosts[i].name;
		if (self_is_called(search->ourselves, name, strlen(name)))
			return true;
		for (struct addrinfo *one = group->found[i]; one != NULL;
		     one = one->ai_next)
			if (self_has(one->ai_addr) || is_proxied(search, one))
				return true;
	}
	return false;
}

static void
take_addresses(
    struct route *route, const char *port, const struct addrinfo *one)
{
	struct address *address;
	char host[64];

	for (; one != NULL && route->count < ROUTE_MAX; one = one->ai_next) {
		if (getnameinfo(one->ai_addr, one->ai_addrlen, host,
			sizeof(host), NULL, 0, NI_NUMERICHOST) != 0)
			continue;
		address = &route->all[route->count++];
		memcpy(&address->addr, one->ai_addr, one->ai_addrlen);
		address->len = one->ai_addrlen;
		snprintf(address->text, sizeof(address->text), "[%s]:%.5s",
		    host, port);
	}
}

/* False: what comes behind these hosts is not to be tried. */
static bool
take_group(struct search *search, struct group *group)
{
	bool ours;

	for (size_t i = 0; i < group->count; i++)
		group->found[i] = clock_ms() < search->until_ms
		    ? resolve(search, group->hosts[i].name)
		    : NULL;
	/* As Postfix does, we look out for ourselves on the port of MX hosts
	 * only: elsewhere another server may listen on our addresses. */
	ours = strcmp(search->port, SMTP_PORT) == 0 && is_ours(search, group);
	if (ours)
		explain(search, search->hop->host,
		    "its best mail server is this host");
	for (size_t i = 0; i < group->count; i++) {
		if (!ours)
			take_addresses(
			    search->route, search->port, group->found[i]);
		if (group->found[i] != NULL)
			freeaddrinfo(group->found[i]);
	}
	return !ours;
}

static size_t
same_preference(const struct mx_host *hosts, size_t count)
{
	size_t n = 1;

	while (n < count && hosts[n].preference == hosts[0].preference)
		n++;
	return n;
}

static void
take_hosts(struct search *search, const struct mx *mx)
{
	struct group group;
	size_t i = 0;

	do {
		group.hosts = mx->hosts + i;
		group.count = same_preference(group.hosts, mx->count - i);
		i += group.count;
	} while (take_group(search, &group) && i < mx->count &&
	    search->route->count < ROUTE_MAX && clock_ms() < search->until_ms);
}

/* The hosts to try; false: there are none. */
static bool
find_hosts(struct search *search, struct mx *mx)
{
	const struct endpoint *hop = search->hop;
	enum mx_result result =
	    hop->brackets ? MX_NONE : mx_lookup(hop->host, mx);

	if (result == MX_NULL)
		explain(search, hop->host, "has no mail server (null MX)");
	else if (result == MX_FAILED)
		explain(search, hop->host, "the DNS does not tell its MX");
	if (result == MX_NONE) {
		mx->count = 1;
		mx->hosts[0].preference = 0;
		strcpy(mx->hosts[0].name, hop->host);
	}
	return result == MX_NONE || result == MX_FOUND;
}

bool
route_find(struct route *route, const char *nexthop, const char *ourselves)
{
	struct endpoint hop;
	struct search search = { route, &hop, SMTP_PORT, ourselves,
		clock_ms() + LOOKING_MS };
	struct mx mx;

	route->count = 0;
	if (endpoint_parse(&hop, nexthop) != NULL)
		snprintf(route->why, sizeof(route->why),
		    "%.255s: is no next hop", nexthop);
	else {
		if (hop.port[0] != '\0')
			search.port = hop.port;
		if (find_hosts(&search, &mx))
			take_hosts(&search, &mx);
	}
	return route->count > 0;
}
