/* SPDX-License-Identifier: ISC */
/*
 * SMTPUTF8 (RFC 6531) with customers whose servers do not have it. Postfix is
 * told that they do, as it would return such mail to its senders at once; what
 * really needs it gets a refusal of ours instead, 5.6.7, which the second
 * opinion judges like the customer's own.
 */
#ifndef SMTPUTF8_H
#define SMTPUTF8_H

#include <stdbool.h>

struct customer;
struct transaction;

/* Before the transaction goes: where only the parameter of MAIL asks for
 * SMTPUTF8, or a domain that has an A-label, it can go without. False: it
 * cannot, or there is no memory for it, and each recipient has its answer. */
bool smtputf8_fits(const struct customer *customer, struct transaction *tx);

#endif
