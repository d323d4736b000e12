/* SPDX-License-Identifier: ISC */
/*
 * What is put off: messages that earlier sessions broke at, or that were
 * doubted there (suspicion.h). They wait until there is nothing else; then they
 * go, the most suspect last. Only so many wait, others hear 450 and come again;
 * what is set apart hears it each time.
 */
#ifndef PUT_OFF_H
#define PUT_OFF_H

#include <stdbool.h>

struct customer;
struct pipeline;
struct transaction;

/* Does it have to wait? What was only doubted goes like others with a server
 * that takes mail. */
bool put_off_needed(
    const struct customer *customer, const struct transaction *tx);
/* It waits: NULL. Or it cannot, and Postfix may hear why. */
const char *put_off(struct pipeline *pipeline, struct transaction *tx);
/* It waits no longer. */
void put_off_take_back(struct pipeline *pipeline, struct transaction *tx);
/* Once pipeline_release has begun: the next, or all that need not be alone,
 * are in the pipeline's line. False: there are none, or they have to wait. */
bool put_off_release(struct customer *customer);
/* Must it be alone on the wire, in lock step? */
bool put_off_alone(const struct transaction *tx);

#endif
