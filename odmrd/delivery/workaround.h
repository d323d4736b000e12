/* SPDX-License-Identifier: ISC */
/*
 * The ways around what a customer's server gets wrong. Each is learnt from how
 * a session goes wrong, kept with the account, or with the domain where odmrd
 * has dialled, and used by the next session; it is forgotten after a day, and a
 * guess after an hour, unless it proves true again meanwhile.
 */
#ifndef WORKAROUND_H
#define WORKAROUND_H

#include <stdbool.h>

#include "reply_queue.h"
#include "odmrd/jobs/workaround_name.h"

struct customer;

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
