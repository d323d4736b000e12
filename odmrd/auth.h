/* SPDX-License-Identifier: ISC */
/*
 * AUTH (RFC 4954) with the mechanisms of GNU SASL. Every step of a mechanism
 * runs on a worker thread, since it looks into the database and may hash for
 * milliseconds; the session takes no input meanwhile.
 */
#ifndef AUTH_H
#define AUTH_H

#include <gsasl.h>
#include <stdbool.h>

struct auth;
struct session;

/* libgsasl's callback for every exchange. */
int auth_callback(Gsasl *sasl, Gsasl_session *session, Gsasl_property property);

/* The mechanisms that a client may use now. CRAM-MD5 always (RFC 2645 5.1.2:
 * MUST); those that show the password under TLS only. */
const char *auth_mechanisms(bool secure);

/* "AUTH mechanism [initial-response]" */
void auth_command(struct session *session, char *args);
/* A line of the exchange. */
void auth_line(struct session *session, char *line);
/* The session ends, or the exchange does. `*auth` becomes NULL. */
void auth_cancel(struct auth **auth);

#endif
