/* SPDX-License-Identifier: ISC */
/* What settle.c, which the loop calls, shares with its thread. */
#ifndef SETTLE_INTERNAL_H
#define SETTLE_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>

#include "settle_note.h"

struct settle {
	const struct conf *conf;
	struct wakeup *wakeup;
	settle_doubt *doubt;
	void *doubt_arg;
	pthread_t thread;
	pthread_mutex_t lock; /* over all below */
	pthread_cond_t work;
	struct note *todo, **todo_tail;
	struct note *done;
	size_t bytes;        /* of the notes that are not done */
	const char *doubted; /* why, or NULL */
	bool urgent;         /* among `todo` */
	bool full;           /* something found no room */
	bool stopping;
};

/* The thread: writes the notes of the struct settle, until it is stopping. */
void *settle_write(void *settle);

#endif
