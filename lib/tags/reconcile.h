/* SPDX-License-Identifier: ISC */
/*
 * Makes the tags agree with the Postfix queue, as "postqueue -j" lists it.
 *
 * Tags of messages that are listed are added, corrected, or held again; a held
 * tag whose message is gone is settled. A listing is no snapshot: Postfix reads
 * one queue directory after the other, and a message that a flush moves
 * meanwhile is in none of them. So a tag counts as gone only if it is missing
 * in one listing after the other, while nothing that was missing came back; and
 * never within the first minute of its message, which may not have got into the
 * queue yet.
 *
 * A message that has got another queue id, by a content filter or "postsuper
 * -r", keeps its tag (store_rename.c).
 *
 * Nothing is changed before a listing has come to its good end. Then the
 * changes go in short transactions, each of which leaves every tag either as
 * it was or right; whoever dies between them leaves the rest to the next run.
 * One runs at a time: another waits for its turn.
 */
#ifndef RECONCILE_H
#define RECONCILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/conf.h"
#include "lib/store/store.h"

struct reconcile_report {
	int64_t listed; /* messages in the queue */
	int64_t added;
	int64_t changed;
	int64_t delivered; /* of those gone */
	int64_t refused;
	int64_t expired;
	int64_t left;
};

/* Only the tool reads the journal, where everybody's logs are, and odmrd must
 * not: there a run of odmrd's leaves held what is gone from the queue. */
enum reconcile_by { RECONCILE_BY_TOOL, RECONCILE_BY_ODMRD };

/* Blocks while "postqueue -j" runs. false: `error` says why in one line; the
 * report has what was changed until then. */
bool reconcile(const struct conf *conf, struct store *store,
    enum reconcile_by by, struct reconcile_report *report, char *error,
    size_t size);

/* For how many more seconds the tags count as confirmed: until
 * reconcile_interval after the last run that came to its end, whoever made it,
 * unless mail passed without tags since. 0: they do not. */
enum store_result reconcile_fresh(
    const struct conf *conf, struct store *store, int64_t *seconds);

#endif
