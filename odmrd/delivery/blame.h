/* SPDX-License-Identifier: ISC */
/*
 * Which message is it that broke the session? The one whose reply was due, or,
 * as many servers close behind a refusal, the one that was refused last, when
 * nothing was said since; whatever else was in flight is near it. Their tags
 * remember it (suspicion.h).
 */
#ifndef BLAME_H
#define BLAME_H

struct customer;
struct transaction;

/* The transaction has its answers: should the session break now, is it to
 * blame? */
void blame_later(struct customer *customer, const struct transaction *tx);
/* The session breaks, and nothing is given up yet. */
void blame(struct customer *customer);

#endif
