/* SPDX-License-Identifier: ISC */
/*
 * Writes tags: one for each relay domain among a message's recipients. Called
 * by the thread of any SMTP session.
 *
 * Law: a milter fault never refuses or delays mail. Nothing here reports a
 * failure to its caller: the message passes untagged, the log says so at most
 * once a minute (with a count), and a call takes half a second at the very
 * worst, when the database is locked.
 */
#ifndef RECORD_H
#define RECORD_H

#include "conf.h"
#include "message.h"

/* Opens and closes the way to the databases; `conf` is borrowed. Databases
 * are opened at first use, so only a lack of memory makes this fail. */
bool record_start(const struct conf *conf);
void record_stop(void);

/* Sorts `message` and tags it as `queue_id`, which is NULL where the mail
 * system gave none. `client` is the address it came from. */
void record_message(
    struct message *message, const char *queue_id, const char *client);

/* Something else kept the message `queue_id` (or NULL) from being tagged. */
void record_missed(const char *queue_id, const char *why);

#endif
