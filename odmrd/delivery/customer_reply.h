/* SPDX-License-Identifier: ISC */
/*
 * What a customer's server answers: the FIFO of the replies that it owes, how
 * long the first of them may take, and who hears it. customer_expect puts in.
 */
#ifndef CUSTOMER_REPLY_H
#define CUSTOMER_REPLY_H

#include "customer.h"

/* The customer has done something: the time for what it owes begins anew. */
void customer_arm(struct customer *customer);
/* The line is lost: what the session did is to blame for it, or what was in
 * flight. */
void customer_broken(struct customer *customer, const char *reason);
/* That time is over: the line is lost. */
void customer_overdue(void *customer);

extern const struct link_role customer_role;

#endif
