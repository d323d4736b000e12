/* SPDX-License-Identifier: ISC */
/*
 * What a customer's server cannot do although it offers it, or needs although
 * it does not say so. It is learnt from how a session goes wrong, kept with the
 * account, and used by the next session; it is forgotten after a day, and a
 * guess after an hour, unless it proves true again meanwhile.
 */
#ifndef WORKAROUND_H
#define WORKAROUND_H

#include <stdbool.h>

#include "expect.h"

struct customer;

enum workaround_bit {
	AVOID_TLS = 1 << 0, /* STARTTLS is offered and does not work */
	NEED_TLS = 1 << 1,  /* nothing is taken without it */
	AVOID_CHUNKING = 1 << 2,
	AVOID_PIPELINING = 1 << 3,
	AVOID_EHLO = 1 << 4,
	AVOID_NOOP = 1 << 5,  /* it is counted, or closes */
	AVOID_RSET = 1 << 6,  /* likewise, but where a message was refused */
	AVOID_CROWD = 1 << 7, /* the session before broke */
};

/* By the name that the database and the operator see; 0: there is none. */
unsigned workaround_of(const char *name);
const char *workaround_name(enum workaround_bit bit);

bool avoids(const struct customer *customer, enum workaround_bit bit);
/* The next session does it; the operator hears `why`. One that is no more than
 * a guess is kept for less time. */
void workaround_learn(struct customer *customer, enum workaround_bit bit,
    bool sure, const char *why);
/* It works again. */
void workaround_forget(struct customer *customer, enum workaround_bit bit);

/* A reply of that code bars the way that the session has taken. */
void workaround_of_refusal(
    struct customer *customer, const struct expected *expected, int code);
/* It says what nobody can have asked for. */
void workaround_of_noise(struct customer *customer);
/* The session breaks, before what is in flight is given up: what does that
 * teach? `why` is the reason of its end. */
void workaround_of_end(struct customer *customer, const char *why);

#endif
