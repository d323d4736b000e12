/* SPDX-License-Identifier: ISC */
/*
 * The second opinion on 5xx. A customer's server that is half repaired refuses
 * everything for good, and a whole backlog would bounce. So a 5xx is believed
 * only if the customer has accepted some message in this session, or has
 * refused this very message in an earlier session at least second_opinion_time
 * ago. Otherwise Postfix hears 4xx and keeps the mail. When the database does
 * not answer, the 5xx is not believed: later, never no.
 */
#ifndef VERDICT_H
#define VERDICT_H

#include <stdbool.h>

struct lmtp;
struct verdict;

/* Does the lmtp's transaction have a 5xx that needs a second opinion? */
bool verdict_needed(const struct lmtp *lmtp);
/* Asks for it; lmtp_judged() is called later. False: out of memory, the
 * 5xx are softened already. */
bool verdict_ask(struct lmtp *lmtp);
/* The session ends while the question is out: later, not no. */
void verdict_decline(struct lmtp *lmtp);
/* The connection ends while the question is out. */
void verdict_cancel(struct verdict **verdict);

#endif
