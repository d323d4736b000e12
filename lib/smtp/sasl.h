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

#include "client.h"
#include "login.h"

/* After EHLO, with what that has offered. */
bool sasl_authenticate(struct smtp_client *, const struct login *);

#endif
