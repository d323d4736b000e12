/* SPDX-License-Identifier: ISC */
/*
 * The envelope of one message while the mail system hands it over: sender,
 * announced size, and the recipients that are in some domain. Addresses may
 * come as SMTP has them: in angle brackets, with a source route, with a quoted
 * local part.
 *
 * An envelope that could not be kept whole (out of memory) is `broken`: a tag
 * that lacks recipients would be settled too early, so it must not be written.
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/recipients.h"

/* All zero is an empty message. */
struct message {
	char *sender; /* "" for the null sender; NULL before MAIL */
	int64_t size; /* as announced by SIZE=, else 0 */
	struct recipients recipients;
	bool broken;
	int received;  /* Received: fields that were looked at */
	char *earlier; /* queue ids from Received: fields, each and a blank */
};

/* Forgets whatever was kept. */
void message_clear(struct message *message);

/* MAIL: `argv` is the address and its ESMTP parameters, NULL last. */
void message_begin(struct message *message, const char *const *argv);
/* RCPT. */
void message_recipient(struct message *message, const char *address);

/* A header field. Of the topmost few Received: fields the queue ids are kept:
 * what passes a content filter comes twice, and has had another id. */
void message_header(struct message *message, const char *const *argv);

/* What is to become of the recipients in `domain`. */
enum judgement { JUDGED_KEPT, JUDGED_DROPPED, JUDGED_UNKNOWN };
typedef enum judgement message_judge(const char *domain, void *arg);

/* Asks about each domain of a message whose recipients are sorted. False where
 * one is unknown: that and all behind it stay. */
bool message_sift(struct message *message, message_judge *judge, void *arg);

#endif
