/* SPDX-License-Identifier: ISC */
/*
 * What a transaction comes to: which of the customer's answers Postfix may
 * hear, what its tag keeps of them, and what the session counts.
 *
 * Soft bounces: a customer's server that is half repaired refuses everything
 * for good, and a whole backlog would bounce. So a 5xx is believed only if the
 * customer has accepted some message in this session, or has refused this very
 * message in an earlier session at least second_opinion_time ago; and one to
 * BDAT only if some BDAT was accepted, where DATA was. Otherwise
 * Postfix hears 4xx and keeps the mail. When the database does not answer, the
 * 5xx is not believed: later, never no.
 */
#ifndef OUTCOME_H
#define OUTCOME_H

#include "odmrd/net/loop.h"

struct customer;
struct second_opinion;
struct transaction;

/* All answers of `tx` are there. NULL: they are final. Else a second opinion is
 * asked for: they are final when decided(owner) is called, from the loop. */
struct second_opinion *outcome_decide(struct customer *customer,
    struct transaction *tx, loop_call *decided, void *owner);
/* The session ends while that is asked: later, not no. The answers are final,
 * and decided() is not called. */
void outcome_decline(struct second_opinion **opinion);
/* Postfix's side ends meanwhile: decided() is not called. */
void outcome_forget(struct second_opinion **opinion);

/* The final answers are on their way to Postfix: settles the tag, counts. */
void outcome_settle(struct customer *customer, const struct transaction *tx);
/* The session broke before Postfix had said all, and whatever the customer has
 * answered Postfix does not hear. */
void outcome_lose(struct customer *customer, struct transaction *tx);

#endif
