/* SPDX-License-Identifier: ISC */
/*
 * The bytes of one connection to a server, in clear or under TLS. Every call
 * waits, until the moment `until` of clock_ms() at the latest. What fails has
 * left one line in `fault` and leaves the connection of no use but to be
 * closed.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/flood.h"

enum { WIRE_FAULT_SIZE = 160, WIRE_BINDING_SIZE = 64 };

struct wire {
	int fd;
	struct ssl_st *ssl; /* NULL: in clear */
	bool verified;      /* the certificate is good, and the host's */
	struct flood flood; /* TLS records since the last data */
	char fault[WIRE_FAULT_SIZE];
};

/* What ties an authentication to this very connection (RFC 9266, RFC 5929). */
struct wire_binding {
	bool exporter; /* or tls-unique */
	unsigned char bytes[WIRE_BINDING_SIZE];
	size_t len;
};

/* Owns the connected socket from now on. False: there is none. */
bool wire_take(struct wire *wire, int fd);
/* Also after false. */
void wire_close(struct wire *wire);

/* The handshake. With `verify` it fails unless the certificate is signed by
 * one of the system's authorities, or of the file that SSL_CERT_FILE names,
 * and is for this host, which may be an IP address. */
bool wire_encrypt(
    struct wire *wire, const char *host, bool verify, int64_t until);

/* How many bytes came, one at least; 0: none, see the fault. */
size_t wire_read(struct wire *wire, char *bytes, size_t size, int64_t until);
bool wire_write(
    struct wire *wire, const char *bytes, size_t len, int64_t until);

/* False: this connection has no binding that is safe. */
bool wire_binding(struct wire *wire, struct wire_binding *out);

#endif
