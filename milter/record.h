/* SPDX-License-Identifier: ISC */
/*
 * What an SMTP session does at the end of a message: it has it noted, for one
 * tag for each relay domain among the recipients.
 *
 * Law: a milter fault never refuses or delays mail. Nothing here reports a
 * failure to its caller: the message passes untagged, and the log says so
 * (complaint.h).
 */
#ifndef RECORD_H
#define RECORD_H

#include "message.h"

/* Empties `message` and has it tagged as `queue_id`, which is NULL where the
 * mail system gave none. `client` is the address it came from. */
void record_message(
    struct message *message, const char *queue_id, const char *client);

/* Mail passes untagged. */
void record_missed(const char *queue_id, const char *why);

#endif
