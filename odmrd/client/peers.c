/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <netinet/in.h>

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odmrd/net/link.h"
#include "lib/log.h"
#include "peers_internal.h"

enum {
	NAME_SIZE = INET6_ADDRSTRLEN + 4,
	REFUSAL_LOG_MS = 10000 /* between two lines about one peer */
};

static void
table_init(struct table *table)
{
	TAILQ_INIT(&table->failed);
}

struct peers *
peers_new(struct server *server)
{
	struct peers *peers = calloc(1, sizeof(*peers));

	if (peers == NULL)
		return NULL;
	peers->server = server;
	table_init(&peers->networks);
	table_init(&peers->logins);
	TAILQ_INIT(&peers->yielded);
	for (int i = 0; i <= GREED_MAX; i++)
		TAILQ_INIT(&peers->crowds[i]);
	hash_turns_init(peers);
	return peers;
}

void
peers_free(struct peers **peers)
{
	if (*peers == NULL)
		return;
	tdestroy((*peers)->networks.tree, free);
	tdestroy((*peers)->logins.tree, free);
	free(*peers);
	*peers = NULL;
}

/* ---- refusals ---------------------------------------------------------- */

static void
note_refusal(struct refusals *refusals, const char *client, const char *why,
    const char *network)
{
	int64_t now = loop_now_ms();

	refusals->count++;
	if (refusals->logged && now - refusals->logged_ms < REFUSAL_LOG_MS)
		return;
	log_warning(NULL, "refused: connect client=%s count=%u: %s%s%s", client,
	    refusals->count, why, network != NULL ? " of " : "",
	    network != NULL ? network : "");
	*refusals = (struct refusals) { 0, true, now };
}

/* What no line has told yet, before it is forgotten. */
static void
log_rest(const struct peer *peer)
{
	if (peer->refusals.count > 0)
		log_warning(NULL,
		    "refused: connect network=%s count=%u: as before",
		    peer->name, peer->refusals.count);
}

/* ---- the table --------------------------------------------------------- */

static int
compare(const void *a, const void *b)
{
	return strcmp(
	    ((const struct peer *)a)->name, ((const struct peer *)b)->name);
}

struct peer *
peers_entry(struct table *table, const char *name, struct peers *peers)
{
	const struct peer key = { .name = name };
	struct peer **found = tfind(&key, &table->tree, compare), *peer;
	size_t size = strlen(name) + 1;

	if (found != NULL)
		return *found;
	peer = calloc(1, sizeof(*peer) + size);
	if (peer == NULL)
		return NULL;
	peer->name = memcpy(peer->text, name, size);
	if (tsearch(peer, &table->tree, compare) == NULL) {
		free(peer);
		return NULL;
	}
	peer->peers = peers;
	peer->table = table;
	peer->share = 1;
	TAILQ_INIT(&peer->strangers);
	TAILQ_INIT(&peer->waiting);
	hash_queues_init(peer);
	return peer;
}

void
peer_forget(struct peer *peer)
{
	struct peer *network;

	while (peer != NULL && peer->connections == 0 && peer->failures == 0 &&
	    peer->guesses == 0 && peer->parts == 0 && peer->gave_way == 0 &&
	    peer->known_ms == 0) {
		network = peer->network;
		log_rest(peer);
		tdelete(peer, &peer->table->tree, compare);
		free(peer);
		if (network != NULL)
			network->parts--;
		peer = network;
	}
}

struct peer *
peer_widest(struct peer *peer)
{
	while (peer->network != NULL)
		peer = peer->network;
	return peer;
}

/* The entry of the first `bits` of an address, in `network` (or NULL), which
 * is forgotten if nothing comes of it. */
static struct peer *
part_of(struct peers *peers, struct peer *network, const struct in6_addr *addr,
    size_t bits, long share)
{
	char text[INET6_ADDRSTRLEN], name[NAME_SIZE];
	struct in6_addr prefix = { 0 };
	struct peer *peer;

	memcpy(&prefix, addr, bits / 8);
	inet_ntop(AF_INET6, &prefix, text, sizeof(text));
	snprintf(name, sizeof(name), "%s/%zu", text, bits);
	peer = peers_entry(&peers->networks, name, peers);
	if (peer == NULL) {
		if (network != NULL)
			peer_forget(network);
		return NULL;
	}
	peer->share = share;
	if (peer->network == NULL && network != NULL) {
		peer->network = network;
		network->parts++;
	}
	return peer;
}

static struct peer *
find_ipv4(struct peers *peers, const void *addr)
{
	char text[INET_ADDRSTRLEN], name[NAME_SIZE];

	inet_ntop(AF_INET, addr, text, sizeof(text));
	snprintf(name, sizeof(name), "%s/32", text);
	return peers_entry(&peers->networks, name, peers);
}

static struct peer *
find(struct peers *peers, const struct sockaddr *addr)
{
	const struct sockaddr_in *in = (const void *)addr;
	const struct sockaddr_in6 *in6 = (const void *)addr;
	const struct in6_addr *ip = &in6->sin6_addr;
	struct peer *peer;

	if (addr->sa_family == AF_INET)
		return find_ipv4(peers, &in->sin_addr);
	if (IN6_IS_ADDR_V4MAPPED(ip))
		return find_ipv4(peers, &ip->s6_addr[12]);
	peer = part_of(peers, NULL, ip, 48, 16);
	if (peer != NULL)
		peer = part_of(peers, peer, ip, 56, 4);
	if (peer != NULL)
		peer = part_of(peers, peer, ip, 64, 1);
	return peer;
}

/* ---- connections ------------------------------------------------------- */

static bool
is_refused(struct peer *peer, const char *client)
{
	const struct conf *conf = peer->peers->server->conf;
	const char *why = NULL, *network;

	for (; peer != NULL && why == NULL; peer = peer->network) {
		network = peer->share > 1 ? peer->name : NULL;
		if (peer_is_barred(peer))
			why = "auth_failure_limit";
		else if (peer->connections >=
		    conf->session_limit_per_address * peer->share)
			why = "session_limit_per_address";
		if (why != NULL)
			note_refusal(&peer->refusals, client, why, network);
	}
	return why != NULL;
}

static bool
has_room(struct peers *peers, struct peer *peer, const char *client)
{
	const struct conf *conf = peers->server->conf;
	const char *full = NULL;

	if (peers->connections >= conf->session_limit)
		full = "session_limit";
	else if (peers->strangers * 100 >=
	    conf->session_limit * conf->stranger_share)
		full = "stranger_share";
	if (full == NULL || crowd_gives_way(peers, peer_widest(peer)))
		return true;
	note_refusal(&peers->refusals, client, full, NULL);
	return false;
}

static struct guest *
guest_new(struct peer *peer)
{
	struct guest *guest = calloc(1, sizeof(*guest));

	if (guest == NULL)
		return NULL;
	guest->peer = peer;
	peer->peers->connections++;
	for (; peer != NULL; peer = peer->network)
		peer->connections++;
	crowd_join(guest);
	return guest;
}

struct guest *
peers_admit(
    struct peers *peers, const struct sockaddr *addr, const char *client)
{
	struct guest *guest = NULL;
	struct peer *peer;

	peers_forgive_old(&peers->networks);
	crowd_forget_old(peers);
	known_forget_old(peers);
	peer = find(peers, addr);
	if (peer == NULL)
		note_refusal(&peers->refusals, client, "out of memory", NULL);
	else if (!is_refused(peer, client) && has_room(peers, peer, client))
		guest = guest_new(peer);
	if (peer != NULL && guest == NULL)
		peer_forget(peer);
	return guest;
}

void
guest_settle(struct guest *guest, struct link *link)
{
	guest->link = link;
	link_when_gone(link, guest_leave, guest);
}

void
guest_is_known(struct guest *guest, int64_t account)
{
	crowd_leave(guest);
	known_add(guest->peer, account);
}

void
guest_leave(void *left)
{
	struct guest *guest = left;
	struct peer *peer = guest->peer;

	crowd_leave(guest);
	free(guest);
	peer->peers->connections--;
	for (struct peer *p = peer; p != NULL; p = p->network)
		p->connections--;
	peer_forget(peer);
}
