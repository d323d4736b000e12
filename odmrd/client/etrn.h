/* SPDX-License-Identifier: ISC */
/*
 * ETRN (RFC 1985) on port 366, for accounts, logins and networks that may have
 * the domain's deliveries started (odmrctl etrn). What may be named is in
 * lib/tags/node.h. Domains and queues that the client may not have and those
 * that do not exist get the same answer.
 *
 * Mail of domains in mode backup is started by postqueue -s, the servers of
 * those in mode hold are dialled (delivery/dial.h). Mail of mode odmr only goes
 * to a client that collects it by ATRN, which starts it itself: there ETRN
 * tells the number and does nothing.
 *
 *   251, 253  the number is true: that of the held tags, which odmrd settles;
 *             in mode backup, where Postfix delivers by itself, that of its
 *             queue, which is asked if there are tags
 *   252       some wait for certain, but the queue did not tell the number
 *   250       nothing is certain
 *   458       a database cannot be used, or postqueue not be started
 */
#ifndef ETRN_H
#define ETRN_H

struct client;

/* What EHLO shows to a client that is not authenticated. */
enum etrn_offer {
	ETRN_UNASKED,
	ETRN_HIDDEN,  /* it may not use ETRN for any domain */
	ETRN_OFFERED, /* its network may, for some */
};

/* Finds out client->etrn_offer, then calls `then` and takes input again. If
 * that takes long, goes on without: it is unasked still. */
void etrn_ask_offer(struct client *client, void (*then)(struct client *client));

/* "ETRN [@|#]name". Should the session end, it is still done. */
void etrn_command(struct client *client, char *args);

#endif
