/* SPDX-License-Identifier: ISC */
/*
 * What a 5xx is about. A reply that speaks of the session, of our commands or
 * of the state of the customer's server is never a refusal of the message
 * that happened to be on its way: the mail stays, however often it is said.
 */
#ifndef REFUSAL_H
#define REFUSAL_H

#include "reply_queue.h"
#include "lib/reply.h"

enum refusal {
	REFUSAL_OF_MESSAGE, /* a verdict, for the second opinion to judge */
	REFUSAL_FOR_NOW,    /* 4xx in truth; the session goes on */
	REFUSAL_OF_SESSION, /* the two are out of step, or this way is barred */
};

/* Of a reply 5xx to MAIL, RCPT, DATA, BDAT or the dot. */
enum refusal refusal_of(enum expect what, const struct reply *reply);

/* The code of class 4 that says the same as the 5xx `code`, from those that
 * SMTP has. */
int refusal_softened(int code);

#endif
