/* SPDX-License-Identifier: ISC */
/*
 * ATRN (RFC 2645 5.2.1): may this account have these domains, and is mail
 * waiting? If so the line is turned, and the client becomes a customer.
 */
#ifndef ATRN_H
#define ATRN_H

struct client;

/* "ATRN [domain *("," domain)]" */
void atrn_command(struct client *client, char *args);

#endif
