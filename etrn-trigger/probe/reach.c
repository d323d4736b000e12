/* SPDX-License-Identifier: ISC */
#include <sys/socket.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "greeting.h"
#include "lib/mx.h"
#include "reach.h"
#include "lib/self.h"

/* Postfix's smtp_mx_address_limit. */
enum { ADDRESSES_MAX = 5 };

#define SMTP_PORT "25"

struct search {
	const struct endpoint *hop;
	const char *port;
	const char *myhostname;
	struct reach *reach;
	int tried; /* addresses */
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
	snprintf(search->reach->why, REACH_WHY_SIZE, "%.253s: %s", host, why);
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

/* As Postfix does, we look out for ourselves on the port of MX hosts only:
 * elsewhere another server may listen on this host's addresses. */
static bool
may_loop(const struct search *search)
{
	return strcmp(search->port, SMTP_PORT) == 0;
}

static bool
is_ours(const struct search *search, const struct group *group)
{
	for (size_t i = 0; i < group->count; i++) {
		if (strcasecmp(group->hosts[i].name, search->myhostname) == 0)
			return true;
		for (struct addrinfo *one = group->found[i]; one != NULL;
		     one = one->ai_next)
			if (self_has(one->ai_addr))
				return true;
	}
	return false;
}

static bool
try_address(struct search *search, const struct addrinfo *address)
{
	char why[GREETING_WHY_SIZE], text[REACH_HOST_SIZE - 10];

	search->tried++;
	if (getnameinfo(address->ai_addr, address->ai_addrlen, text,
		sizeof(text), NULL, 0, NI_NUMERICHOST) != 0)
		strcpy(text, "?");
	snprintf(search->reach->host, REACH_HOST_SIZE, "[%s]:%s", text,
	    search->port);
	if (greeting_get(address, search->myhostname, why))
		return true;
	explain(search, search->reach->host, why);
	return false;
}

static bool
try_addresses(struct search *search, const struct group *group)
{
	for (size_t i = 0; i < group->count; i++)
		for (struct addrinfo *one = group->found[i];
		     one != NULL && search->tried < ADDRESSES_MAX;
		     one = one->ai_next)
			if (try_address(search, one))
				return true;
	return false;
}

/* Sets `*ours` if what comes behind these hosts is not to be asked. */
static bool
try_group(struct search *search, struct group *group, bool *ours)
{
	bool up = false;

	for (size_t i = 0; i < group->count; i++)
		group->found[i] = resolve(search, group->hosts[i].name);
	*ours = may_loop(search) && is_ours(search, group);
	if (!*ours)
		up = try_addresses(search, group);
	else if (search->tried == 0)
		explain(search, search->hop->host,
		    "its best mail server is this host");
	for (size_t i = 0; i < group->count; i++)
		if (group->found[i] != NULL)
			freeaddrinfo(group->found[i]);
	return up;
}

static size_t
same_preference(const struct mx_host *hosts, size_t count)
{
	size_t n = 1;

	while (n < count && hosts[n].preference == hosts[0].preference)
		n++;
	return n;
}

static bool
try_hosts(struct search *search, const struct mx *mx)
{
	struct group group;
	bool ours = false;

	for (size_t i = 0; i < mx->count && !ours; i += group.count) {
		group.hosts = mx->hosts + i;
		group.count = same_preference(group.hosts, mx->count - i);
		if (try_group(search, &group, &ours))
			return true;
	}
	return false;
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
reach_hop(
    const struct endpoint *hop, const char *myhostname, struct reach *reach)
{
	struct search search = { hop,
		hop->port[0] != '\0' ? hop->port : SMTP_PORT, myhostname, reach,
		0 };
	struct mx mx;

	return find_hosts(&search, &mx) && try_hosts(&search, &mx);
}
