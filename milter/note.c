/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "note.h"

/* What malloc needs for itself, about. */
enum { MALLOC_BYTES = 16 };

static struct note *
next_of(const struct note *note)
{
	return (struct note *)note->head.next;
}

static size_t
count_bytes(const struct note *note)
{
	const struct recipients *recipients = &note->message.recipients;
	size_t bytes = sizeof(*note) + strlen(note->queue_id) +
	    strlen(note->message.sender) +
	    (note->message.earlier == NULL ? 0
					   : strlen(note->message.earlier)) +
	    recipients->room * sizeof(*recipients->all) + 4 * MALLOC_BYTES;

	for (size_t i = 0; i < recipients->count; i++)
		bytes += strlen(recipients->all[i].address) + 1 + MALLOC_BYTES;
	return bytes;
}

struct note *
note_new(struct message *message, const char *queue_id, const char *client)
{
	struct note *note = calloc(1, sizeof(*note));

	if (note == NULL)
		return NULL;
	note->queue_id = strdup(queue_id);
	if (note->queue_id == NULL) {
		free(note);
		return NULL;
	}
	note->arrived = time(NULL);
	strlcpy(note->client, client, sizeof(note->client));
	note->message = *message;
	*message = (struct message) { 0 };
	note->head.since = clock_ms();
	note->head.bytes = count_bytes(note);
	note->head.weight = note->message.recipients.count;
	return note;
}

void
notes_free(struct note **first)
{
	struct note *note;

	while ((note = *first) != NULL) {
		*first = next_of(note);
		message_clear(&note->message);
		free(note->queue_id);
		free(note);
	}
}

static enum judgement
judge(const char *domain, void *store)
{
	switch (store_domain_get(store, domain, NULL, NULL)) {
	case STORE_OK:
		return JUDGED_KEPT;
	case STORE_NONE:
		return JUDGED_DROPPED;
	default:
		return JUDGED_UNKNOWN;
	}
}

/* A retry looks up nothing twice. */
static enum store_result
sift(struct store *store, struct note *first)
{
	for (struct note *note = first; note != NULL; note = next_of(note)) {
		if (note->sifted)
			continue;
		if (!message_sift(&note->message, judge, store))
			return STORE_FAILED;
		note->sifted = true;
	}
	return STORE_OK;
}

static bool
is_concerned(const struct note *first)
{
	while (first != NULL && first->message.recipients.count == 0)
		first = next_of(first);
	return first != NULL;
}

static enum store_result
add_tag(struct store *store, const struct note *note, const struct share *share,
    const char **why)
{
	char *addresses = share_addresses(share);
	enum store_result result;

	if (addresses == NULL) {
		*why = "out of memory";
		return STORE_FAILED;
	}
	result = store_tag_add(store,
	    &(struct tag) {
		.queue_id = note->queue_id,
		.domain = share->domain,
		.sender = note->message.sender,
		.recipients = addresses,
		.recipient_count = (long)share->count,
		.size = note->message.size,
		.earlier = note->message.earlier,
		.client = note->client,
		.arrived = note->arrived,
	    });
	free(addresses);
	return result;
}

static enum store_result
add_tags(struct store *store, const struct note *first, const char **why)
{
	struct share share;
	size_t next;

	for (const struct note *note = first; note != NULL;
	     note = next_of(note)) {
		next = 0;
		while (
		    recipients_share(&note->message.recipients, &next, &share))
			if (add_tag(store, note, &share, why) != STORE_OK)
				return STORE_FAILED;
	}
	return STORE_OK;
}

enum store_result
notes_write(struct store *store, struct note *first, const char **why)
{
	enum store_result result;

	*why = store_error(store);
	result = sift(store, first);
	if (result != STORE_OK || !is_concerned(first))
		return result;
	if (store_begin(store) != STORE_OK)
		return STORE_FAILED;
	if (add_tags(store, first, why) == STORE_OK)
		return store_commit(store);
	store_rollback(store);
	return STORE_FAILED;
}
