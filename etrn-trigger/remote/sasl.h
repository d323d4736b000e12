/* SPDX-License-Identifier: ISC */
/*
 * AUTH (RFC 4954) as its client, with the mechanisms of GNU SASL: the best
 * that the server offers of
 *
 *	SCRAM-SHA-256-PLUS	under TLS, tied to the connection
 *	SCRAM-SHA-256
 *	CRAM-MD5
 *	PLAIN, LOGIN		they show the password: only under TLS with a
 *				certificate that was verified
 *
 * A SCRAM server has to show that it, too, knows the account.
 */
#ifndef SASL_H
#define SASL_H

#include "login.h"
#include "peer.h"

/* `offered` are the names of the mechanisms, apart by blanks. Returns a
 * sysexits code, and has said why. */
int sasl_authenticate(
    struct peer *peer, const struct login *login, const char *offered);

#endif
