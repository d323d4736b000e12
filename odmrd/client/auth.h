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
/* The session ends, or the exchange does. `*auth` becomes NULL. */
void auth_cancel(struct auth **auth);

#endif
