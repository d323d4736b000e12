/* SPDX-License-Identifier: ISC */
/*
 * TLS settings: one struct tls holds the certificate, the key and the
 * protocol policy from which connections are made. OpenSSL 3, TLS 1.2 and up.
 */
#ifndef TLS_H
#define TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/fingerprint.h"

struct ssl_st;
struct tls;

enum tls_side { TLS_SERVER, TLS_CLIENT };

/* The certificate and, where `key_file` is not "", its key from there. NULL on
 * failure, with one line in `error` that begins with the setting to blame. A
 * certificate that is out of date is taken, and the log says so. */
struct tls *tls_new(
    const char *cert_file, const char *key_file, char *error, size_t size);
/* To be the client: encrypts, and believes any certificate. */
struct tls *tls_new_client(void);
void tls_free(struct tls **tls);

/* A connection for link.c, which owns it; NULL: out of memory. */
struct ssl_st *tls_connection(struct tls *tls, enum tls_side side);

/* The certificate that the peer has shown to be its own; false if none. Who
 * signed it was not looked at. */
bool tls_peer_fingerprint(const struct ssl_st *ssl, char out[FINGERPRINT_SIZE]);

/* What ties an authentication to this very connection (RFC 9266, RFC 5929). */
struct tls_binding {
	enum { TLS_BINDING_EXPORTER, TLS_BINDING_UNIQUE } kind;
	unsigned char bytes[64];
	size_t len;
};

/* False: this connection has no binding that is safe. */
bool tls_channel_binding(struct ssl_st *ssl, struct tls_binding *out);

#endif
