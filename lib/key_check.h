/* SPDX-License-Identifier: ISC */
/*
 * The public keys in a peer's certificates, before OpenSSL reads them. A key
 * may describe a curve of its own, over a prime and with points that are made
 * to take seconds to decode; or have an exponent that takes long to use. What
 * certificates have in practice takes neither: RSA up to 8192 bits with a small
 * exponent; P-256, P-384 and P-521 by name, with points as they are; Ed25519,
 * Ed448.
 */
#ifndef KEY_CHECK_H
#define KEY_CHECK_H

#include <stdbool.h>
#include <stddef.h>

/* A handshake message of type Certificate, with its header (RFC 5246 7.4.2; if
 * `tls13` RFC 8446 4.4.2). Has it such keys alone? What cannot be read has not.
 */
bool keys_are_usual(const unsigned char *message, size_t len, bool tls13);

#endif
