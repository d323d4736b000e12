/* SPDX-License-Identifier: ISC */
/*
 * Peers: who may connect, by address (IPv6 by /64, which is what one customer
 * has). Counts the connections of each, before the turn and after it, and the
 * failed AUTHs.
 *
 * A refused peer costs no memory: an entry is made for one that is let in, and
 * lives while that one is connected or has failures that still count. Entries
 * of the second kind are bounded in number; past the bound the oldest failures
 * are forgiven. Each refusal is one line in the log, but a peer that goes on
 * trying gets one line in ten seconds, with a count.
 */
#ifndef PEERS_H
#define PEERS_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stdint.h>

struct peer;
struct peers;
struct server;

/* NULL: out of memory. */
struct peers *peers_new(struct server *server);
/* Once all connections are gone. */
void peers_free(struct peers **peers);

/*
 * A client has connected from `addr`, `client` in the log. NULL: it is
 * refused. Otherwise the peer counts it until peer_leave, and stays valid as
 * long.
 */
struct peer *peers_admit(
    struct peers *peers, const struct sockaddr *addr, const char *client);
void peer_leave(void *peer);

/* Counts a failed AUTH. Returns the milliseconds for which its reply is to be
 * held back: they grow with the failures. */
int64_t peer_auth_failed(struct peer *peer);
/* Has it failed so often that it may not try again for now? */
bool peer_is_barred(const struct peer *peer);

#endif
