/* SPDX-License-Identifier: ISC */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "settle.h"

void
history_clear(struct history *history)
{
	if (history->question != NULL)
		question_forget(&history->question);
	free(history->past);
	*history = (struct history) { 0 };
}

bool
history_add(struct history *history, const struct suspect *suspect)
{
	struct past *past;

	if (strlen(suspect->queue_id) >= sizeof(past->id))
		return true;
	/* Grows at each power of two. */
	if ((history->count & (history->count - 1)) == 0) {
		size_t size = history->count == 0 ? 1 : 2 * history->count;

		past = reallocarray(history->past, size, sizeof(*past));
		if (past == NULL)
			return false;
		history->past = past;
	}
	past = &history->past[history->count++];
	strcpy(past->id, suspect->queue_id);
	past->suspicion = suspect->suspicion;
	past->faulted = suspect->faulted;
	return true;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(
	    ((const struct past *)a)->id, ((const struct past *)b)->id);
}

void
history_sort(struct history *history)
{
	if (history->count > 0)
		qsort(history->past, history->count, sizeof(history->past[0]),
		    compare);
}

const struct past *
history_find(const struct history *history, const char *id)
{
	struct past key;

	if (id == NULL || history->count == 0 || strlen(id) >= sizeof(key.id))
		return NULL;
	strcpy(key.id, id);
	return bsearch(
	    &key, history->past, history->count, sizeof(key), compare);
}
