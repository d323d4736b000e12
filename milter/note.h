/* SPDX-License-Identifier: ISC */
/*
 * What is noted of one message at its end: all that its tags need. Notes are
 * made by the threads that serve the sessions and written by another.
 */
#ifndef NOTE_H
#define NOTE_H

#include <netinet/in.h>
#include <stdint.h>

#include "message.h"
#include "lib/store/writer.h"

struct note {
	struct writer_note head;
	char *queue_id;
	int64_t arrived;
	struct message message;
	bool sifted; /* only relay domains are left in the message */
	char client[INET6_ADDRSTRLEN];
};

/* Takes the sorted `message` over, which is empty then; NULL when out of
 * memory. */
struct note *note_new(
    struct message *message, const char *queue_id, const char *client);
/* Frees it and all behind it. */
void notes_free(struct note **first);

/* Writes the tags of `first` and all behind it, or none of them; `*why` is then
 * borrowed until the store is used again. */
enum store_result notes_write(
    struct store *store, struct note *first, const char **why);

#endif
