/* SPDX-License-Identifier: ISC */
/*
 * ATRN (RFC 2645 5.2.1): may this account have these domains, and is mail
 * waiting? If so the line is turned, and the session becomes a customer.
 */
#ifndef ATRN_H
#define ATRN_H

struct session;

/* "ATRN [domain *("," domain)]" */
void atrn_command(struct session *session, char *args);

#endif
