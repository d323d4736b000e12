/* SPDX-License-Identifier: ISC */
/*
 * Dialling: the mail of a domain in mode hold waits until somebody asks for it
 * by ETRN. Then odmrd connects to the domain's next hop, whose addresses are
 * looked up anew each time, and from the server's greeting on it is a customer
 * like any other, with that one domain and without an account.
 *
 * A domain is dialled once at a time: who asks during a session has what came
 * meanwhile with it. Until mail can flow it has one of some places, of which
 * the owner of many domains gets his part (places.h), and a server that does
 * not greet is not waited for where others wait. Whose server could not be had,
 * or took nothing, is left alone for some seconds, after which it is dialled
 * once more if somebody has asked meanwhile.
 */
#ifndef DIAL_H
#define DIAL_H

#include <stdbool.h>

#include "odmrd/jobs/server.h"

struct dials;

/* NULL: out of memory, or the threads could not be started. */
struct dials *dials_new(struct server *server);
/* odmrd stops: nothing is dialled any more. Sessions are not ended by this. */
void dials_stop(struct dials *dials);
/* Not within a callback. */
void dials_free(struct dials **dials);

/* Somebody who may has asked for the domain's mail. What becomes of it is in
 * the log. False: out of memory, or odmrd stops. */
bool dial_domain(struct dials *dials, const char *domain);

#endif
