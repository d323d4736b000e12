/* SPDX-License-Identifier: ISC */
/*
 * How many messages may be in flight. A server that has taken none in this
 * session gets few, and no body behind recipients that it may all refuse: each
 * would be an error more, and many servers close after some. After a session
 * that broke with messages in flight, which may come twice, the next one has
 * one in flight, the first in lock step, and one more with every sixteen that
 * are taken in a row: many servers close behind a refusal.
 */
#ifndef PACE_H
#define PACE_H

#include <stdbool.h>

struct customer;
struct transaction;

struct pace {
	unsigned most;    /* in flight */
	unsigned by_plan; /* taken by the plan of the session */
	unsigned calm;    /* taken in a row */
	bool cautious;    /* the session before broke */
	bool wary; /* all recipients were refused, and nothing taken since */
	bool one_by_one; /* RSET is counted: none in flight behind another */
};

/* The session begins. */
void pace_begin(struct customer *customer);
/* Messages that broke a session are released: one at a time at first. */
void pace_slow(struct pace *pace);
bool pace_allows(const struct pace *pace, unsigned in_flight);
/* A transaction has its answers. */
void pace_answered(struct customer *customer, const struct transaction *tx);

#endif
