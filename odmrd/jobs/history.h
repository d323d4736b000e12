/* SPDX-License-Identifier: ISC */
/*
 * What earlier sessions of a customer have taught: the workarounds of its
 * account, or of its domain that was dialled (workaround_name.h), and those
 * held messages that had to do with the end of a session or were doubted
 * (suspicion.h). It is read when the line is turned, behind all that was to be
 * written then.
 */
#ifndef HISTORY_H
#define HISTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/queue_id.h"
#include "lib/store/store.h"

struct question;

struct past {
	char id[QUEUE_ID_MAX + 1];
	enum suspicion suspicion;
	int64_t faulted;
};

struct history {
	unsigned avoid; /* enum workaround */
	struct past *past;
	size_t count;
	struct question *question; /* asked, not answered yet */
};

/* Adds a message. False: out of memory. When all are there they are sorted. */
bool history_add(struct history *history, const struct suspect *suspect);
void history_sort(struct history *history);
void history_clear(struct history *history);
/* NULL: there is none of that queue id, which may be NULL. */
const struct past *history_find(const struct history *history, const char *id);

#endif
