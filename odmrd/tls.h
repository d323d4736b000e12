/* SPDX-License-Identifier: ISC */
/*
 * TLS settings: one struct tls holds the certificate, the key and the
 * protocol policy from which connections are made. OpenSSL 3, TLS 1.2 and up.
 */
#ifndef TLS_H
#define TLS_H

#include <stddef.h>

struct ssl_st;
struct tls;

enum tls_side { TLS_SERVER, TLS_CLIENT };

/* NULL on failure, with one line in `error`. */
struct tls *tls_new(
    const char *cert_file, const char *key_file, char *error, size_t size);
void tls_free(struct tls **tls);

/* A connection for link.c, which owns it; NULL: out of memory. */
struct ssl_st *tls_connection(struct tls *tls, enum tls_side side);

#endif
