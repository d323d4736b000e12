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
#include <stddef.h>
#include <stdint.h>

struct recipient {
	char *address;      /* local part, '@', canonical domain */
	const char *domain; /* within address */
};

/* All zero is an empty message. */
struct message {
	char *sender; /* "" for the null sender; NULL before MAIL */
	int64_t size; /* as announced by SIZE=, else 0 */
	struct recipient *recipients;
	size_t count;
	size_t room;
	bool broken;
};

/* Forgets whatever was kept. */
void message_clear(struct message *message);

/* MAIL and RCPT: `argv` is the address and its ESMTP parameters, NULL last. */
void message_begin(struct message *message, const char *const *argv);
void message_recipient(struct message *message, const char *const *argv);

/* All the recipients in one domain. */
struct share {
	const char *domain;
	const struct recipient *recipients;
	size_t count;
};

/* Sorts the recipients by domain and drops those named twice; after it, and
 * until the next recipient, message_share finds the shares. */
void message_sort(struct message *message);
/* The share that begins at recipient `*next`, which is moved behind it; false
 * at the end. */
bool message_share(
    const struct message *message, size_t *next, struct share *share);

/* What is to become of the recipients in `domain`. */
enum judgement { JUDGED_KEPT, JUDGED_DROPPED, JUDGED_UNKNOWN };
typedef enum judgement message_judge(const char *domain, void *arg);

/* Asks about each domain of a sorted message. False where one is unknown: that
 * and all behind it stay. */
bool message_sift(struct message *message, message_judge *judge, void *arg);

/* The addresses of a share, one a line; NULL when out of memory. */
char *share_addresses(const struct share *share);

#endif
