/* SPDX-License-Identifier: ISC */
/*
 * AUTH (RFC 4954) with the mechanisms of GNU SASL. Every step of a mechanism
 * runs on a worker thread, since it looks into the database and may hash for
 * milliseconds; the session takes no input meanwhile.
 */
#ifndef AUTH_H
#define AUTH_H

struct auth;
struct client;

/* "AUTH mechanism [initial-response]" */
void auth_command(struct client *client, char *args);
/* A line of the exchange. */
void auth_line(struct client *client, char *line);
/* The handshake is done: where the client has shown a certificate, is it
 * registered, so that EXTERNAL can be offered (certificate.c)? The client waits
 * for the answer in CLIENT_ASKING, and goes on in CLIENT_NEW. */
void certificate_ask(struct client *client);
/* The session ends, or the exchange does. `*auth` becomes NULL. */
void auth_cancel(struct auth **auth);

#endif
