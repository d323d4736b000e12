/* SPDX-License-Identifier: ISC */
/*
 * TLS that costs much and brings nothing: certificates with keys that take long
 * (key_check.h), of which OpenSSL hears nothing; and records for ever. A peer
 * can send KeyUpdates, ClientHellos that ask for another handshake,
 * HelloRequests and fragments for ever, and OpenSSL reads on until there is
 * data: one call of it would never return.
 *
 * A watched connection reads no more once FLOOD_MAX records and handshake
 * messages have come since its user last set `seen` to 0, which is for whenever
 * data came and when the handshake is done. Its calls then want input
 * (SSL_ERROR_WANT_READ), whatever the socket holds, and its user ends it.
 */
#ifndef FLOOD_H
#define FLOOD_H

#include <stdbool.h>

struct ssl_st;

/* A handshake takes a dozen, with long certificates some more. */
enum { FLOOD_MAX = 64 };

struct flood {
	unsigned seen; /* records and handshake messages */
	bool costly;   /* a certificate's key was, and the handshake ends */
};

/* To be called when `ssl` has its socket. The flood outlives the connection. */
void flood_watch(struct flood *flood, struct ssl_st *ssl);

static inline bool
flood_is_full(const struct flood *flood)
{
	return flood->seen > FLOOD_MAX;
}

#endif
