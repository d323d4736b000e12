/* SPDX-License-Identifier: ISC */
#include <sys/queue.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "peers.h"
#include "server.h"

enum {
	KEY_SIZE = 16,
	NETWORK_SIZE = 8,      /* octets of a /64 */
	FAILED_MAX = 16384,    /* peers whose failures are remembered */
	DOUBLINGS_MAX = 4,     /* of auth_failure_delay */
	REFUSAL_LOG_MS = 10000 /* between two lines about one peer */
};

/* Refusals since the last line about them. */
struct refusals {
	unsigned count;
	bool logged;
	int64_t logged_ms;
};

struct peer {
	TAILQ_ENTRY(peer) entry; /* while there are failures */
	struct peers *peers;
	unsigned char key[KEY_SIZE];
	long connections;
	long failures;
	int64_t forgiven_ms; /* when they count no more */
	struct refusals refusals;
};

struct peers {
	struct server *server;
	void *tree; /* a tsearch(3) tree by key */
	long connections;
	struct refusals refusals; /* those that session_limit made */
	/* Peers with failures, in the order in which they are forgiven. */
	TAILQ_HEAD(, peer) failed;
	size_t failed_count;
};

static int
compare(const void *a, const void *b)
{
	return memcmp(((const struct peer *)a)->key,
	    ((const struct peer *)b)->key, KEY_SIZE);
}

/* IPv4 as the mapped form of RFC 4291 2.5.5.2, IPv6 without its lower half. */
static void
make_key(unsigned char key[KEY_SIZE], const struct sockaddr *addr)
{
	const struct sockaddr_in *in = (const void *)addr;
	const struct sockaddr_in6 *in6 = (const void *)addr;

	memset(key, 0, KEY_SIZE);
	if (addr->sa_family == AF_INET) {
		memset(key + 10, 0xff, 2);
		memcpy(key + 12, &in->sin_addr, 4);
	} else if (addr->sa_family == AF_INET6)
		memcpy(key, &in6->sin6_addr,
		    IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) ? KEY_SIZE
							  : NETWORK_SIZE);
}

struct peers *
peers_new(struct server *server)
{
	struct peers *peers = calloc(1, sizeof(*peers));

	if (peers == NULL)
		return NULL;
	peers->server = server;
	TAILQ_INIT(&peers->failed);
	return peers;
}

void
peers_free(struct peers **peers)
{
	if (*peers == NULL)
		return;
	tdestroy((*peers)->tree, free);
	free(*peers);
	*peers = NULL;
}

/* ---- refusals ---------------------------------------------------------- */

static void
note_refusal(struct refusals *refusals, const char *client, const char *why)
{
	int64_t now = loop_now_ms();

	refusals->count++;
	if (refusals->logged && now - refusals->logged_ms < REFUSAL_LOG_MS)
		return;
	log_warning(NULL, "refused: connect client=%s count=%u: %s", client,
	    refusals->count, why);
	*refusals = (struct refusals) { 0, true, now };
}

/* What no line has told yet, before it is forgotten. */
static void
log_rest(const struct peer *peer)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr in6;
	bool mapped;

	if (peer->refusals.count == 0)
		return;
	memcpy(&in6, peer->key, KEY_SIZE);
	mapped = IN6_IS_ADDR_V4MAPPED(&in6);
	inet_ntop(mapped ? AF_INET : AF_INET6,
	    mapped ? peer->key + 12 : peer->key, text, sizeof(text));
	log_warning(NULL, "refused: connect network=%s/%d count=%u: as before",
	    text, mapped ? 32 : 64, peer->refusals.count);
}

/* ---- the table --------------------------------------------------------- */

static void
forget_if_unneeded(struct peer *peer)
{
	if (peer->connections > 0 || peer->failures > 0)
		return;
	log_rest(peer);
	tdelete(peer, &peer->peers->tree, compare);
	free(peer);
}

static void
forgive(struct peer *peer)
{
	struct peers *peers = peer->peers;

	TAILQ_REMOVE(&peers->failed, peer, entry);
	peers->failed_count--;
	peer->failures = 0;
	forget_if_unneeded(peer);
}

static void
forgive_old(struct peers *peers)
{
	int64_t now = loop_now_ms();
	struct peer *peer, *next;

	TAILQ_FOREACH_SAFE(peer, &peers->failed, entry, next) {
		if (peer->forgiven_ms > now &&
		    peers->failed_count <= FAILED_MAX)
			break;
		forgive(peer);
	}
}

static struct peer *
find_or_add(struct peers *peers, const struct sockaddr *addr)
{
	struct peer key, **found, *peer;

	make_key(key.key, addr);
	found = tfind(&key, &peers->tree, compare);
	if (found != NULL)
		return *found;
	peer = calloc(1, sizeof(*peer));
	if (peer == NULL)
		return NULL;
	peer->peers = peers;
	memcpy(peer->key, key.key, KEY_SIZE);
	if (tsearch(peer, &peers->tree, compare) == NULL) {
		free(peer);
		return NULL;
	}
	return peer;
}

struct peer *
peers_admit(
    struct peers *peers, const struct sockaddr *addr, const char *client)
{
	const struct conf *conf = peers->server->conf;
	struct peer *peer;

	forgive_old(peers);
	if (peers->connections >= conf->session_limit) {
		note_refusal(&peers->refusals, client, "session_limit");
		return NULL;
	}
	peer = find_or_add(peers, addr);
	if (peer == NULL)
		note_refusal(&peers->refusals, client, "out of memory");
	else if (peer_is_barred(peer))
		note_refusal(&peer->refusals, client, "auth_failure_limit");
	else if (peer->connections >= conf->session_limit_per_address)
		note_refusal(
		    &peer->refusals, client, "session_limit_per_address");
	else {
		peer->connections++;
		peers->connections++;
		return peer;
	}
	return NULL;
}

void
peer_leave(void *left)
{
	struct peer *peer = left;

	peer->connections--;
	peer->peers->connections--;
	forget_if_unneeded(peer);
}

/* ---- failed AUTH ------------------------------------------------------- */

bool
peer_is_barred(const struct peer *peer)
{
	const struct conf *conf = peer->peers->server->conf;

	return peer->failures >= conf->auth_failure_limit &&
	    peer->forgiven_ms > loop_now_ms();
}

/* Starts its time, as the last of those that run. */
static void
remember(struct peer *peer)
{
	struct peers *peers = peer->peers;
	long time = peers->server->conf->auth_failure_time;

	if (peer->failures > 1)
		TAILQ_REMOVE(&peers->failed, peer, entry);
	else
		peers->failed_count++;
	TAILQ_INSERT_TAIL(&peers->failed, peer, entry);
	peer->forgiven_ms = loop_now_ms() + time * 1000;
}

int64_t
peer_auth_failed(struct peer *peer)
{
	struct peers *peers = peer->peers;
	const struct conf *conf = peers->server->conf;
	long doublings;

	forgive_old(peers);
	peer->failures++;
	/* The time runs from the first failure; then, from the one too many. */
	if (peer->failures == 1 || peer_is_barred(peer))
		remember(peer);
	if (peer->failures == 1)
		return 0;
	doublings = peer->failures - 2;
	if (doublings > DOUBLINGS_MAX)
		doublings = DOUBLINGS_MAX;
	return (conf->auth_failure_delay * 1000) << doublings;
}
