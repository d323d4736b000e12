/* SPDX-License-Identifier: ISC */
/*
 * Shares of Postfix's deliveries. Each is a process lmtp(8), of which there are
 * delivery_total for all customers together, and Postfix bounds them by domain,
 * never by customer. So an account gets no more of them, whatever number of
 * sessions and domains it has, collected or dialled, while it has
 * delivery_limit, or as many as are left for all others: one alone may have
 * half of them, n have 1/(n+1) each, and who comes last finds as many free as
 * the others have.
 *
 * Beyond its share Postfix hears 450 to MAIL: that puts off this message alone,
 * and frees the process in a millisecond. (4xx to LHLO, or 421 as the greeting,
 * are cheaper, as Postfix puts off the rest of the domain by itself; but so it
 * does with new mail, until it is told otherwise. 421 to MAIL is 450 with a new
 * connection each time.) What was turned away so is asked for again when half
 * of the share is through: all of it, or where the customer is slow some
 * messages by their ids, as the rest would only be put off again.
 */
#ifndef SHARE_H
#define SHARE_H

#include <stdbool.h>

struct customer;
struct share;
struct shares;

/* NULL: out of memory. */
struct shares *shares_new(void);
void shares_free(struct shares **shares);

/* The share of `owner` (lookup_owner), which all his sessions have in common.
 * NULL: out of memory. */
struct share *share_join(struct shares *shares, const char *owner);
/* NULL is fine. */
void share_leave(struct share **share);

/* One delivery more for the customer's account. False: it must be turned
 * away, and share_give will see to it that it is asked for again. */
bool share_take(struct customer *customer);
/* So many deliveries has the account. */
long share_held(const struct share *share);
/* One delivery less; as share_refill. */
bool share_give(struct customer *customer);
/* Deliveries of this session were turned away: they come again when the
 * account has no more than half of what it has now. */
void share_want(struct customer *customer);
/* Is it time for that? Then Postfix is to be asked (drain_more). */
bool share_refill(struct customer *customer);

#endif
