/* SPDX-License-Identifier: ISC */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "endpoint.h"
#include "lib/clock.h"
#include "lib/mx.h"
#include "lib/self.h"

/* No host is looked up after that; a look-up that runs takes some seconds. */
enum { LOOKING_MS = 15000 };

struct search {
	struct endpoints *found;
	const struct hop *hop;
	const char *myhostname;
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
	snprintf(
	    search->found->why, ENDPOINT_WHY_SIZE, "%.253s: %s", host, why);
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
	int error = getaddrinfo(host, search->hop->port, &hints, &found);

	if (error == 0)
		return found;
	explain(search, host, gai_strerror(error));
	return NULL;
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

static void
take_addresses(struct endpoints *found, const struct addrinfo *one)
{
	struct endpoint *endpoint;

	for (; one != NULL && found->count < ENDPOINTS_MAX;
	     one = one->ai_next) {
		endpoint = &found->all[found->count++];
		memcpy(&endpoint->addr, one->ai_addr, one->ai_addrlen);
		endpoint->len = one->ai_addrlen;
	}
}

/* False: what comes behind these hosts is not to be tried. */
static bool
take_group(struct search *search, struct group *group)
{
	bool ours;

	for (size_t i = 0; i < group->count; i++)
		group->found[i] = resolve(search, group->hosts[i].name);
	ours = hop_may_loop(search->hop) && is_ours(search, group);
	if (ours)
		explain(search, search->hop->host,
		    "its best mail server is this host");
	for (size_t i = 0; i < group->count; i++) {
		if (!ours)
			take_addresses(search->found, group->found[i]);
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
	    search->found->count < ENDPOINTS_MAX &&
	    clock_ms() < search->until_ms);
}

/* The hosts to try; false: there are none. */
static bool
find_hosts(struct search *search, struct mx *mx)
{
	const struct hop *hop = search->hop;
	enum mx_result result = hop->by_mx ? mx_lookup(hop->host, mx) : MX_NONE;

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
endpoints_find(
    struct endpoints *found, const struct hop *hop, const char *myhostname)
{
	struct search search = { found, hop, myhostname,
		clock_ms() + LOOKING_MS };
	struct mx mx;

	found->count = 0;
	if (find_hosts(&search, &mx))
		take_hosts(&search, &mx);
	return found->count > 0;
}

void
endpoint_address(
    const struct endpoint *endpoint, char out[ENDPOINT_ADDRESS_SIZE])
{
	if (getnameinfo((const struct sockaddr *)&endpoint->addr, endpoint->len,
		out, ENDPOINT_ADDRESS_SIZE, NULL, 0, NI_NUMERICHOST) != 0)
		strcpy(out, "?");
}

void
endpoint_text(const struct endpoint *endpoint, const struct hop *hop,
    char out[ENDPOINT_TEXT_SIZE])
{
	char address[ENDPOINT_ADDRESS_SIZE];

	endpoint_address(endpoint, address);
	snprintf(out, ENDPOINT_TEXT_SIZE, "[%s]:%s", address, hop->port);
}
