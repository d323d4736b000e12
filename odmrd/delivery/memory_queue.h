/* SPDX-License-Identifier: ISC */
/*
 * Who waits for memory. A connection from Postfix whose transaction may not
 * grow stops reading and queues here; when some transaction is done, or a
 * session has nothing to send, those that wait try again, the oldest first.
 * Postfix meanwhile waits as it would for any slow server.
 */
#ifndef MEMORY_QUEUE_H
#define MEMORY_QUEUE_H

#include <sys/queue.h>

#include <stdbool.h>

#include "odmrd/net/loop.h"

struct memory_queue;

/* A place in it, part of who waits. */
struct memory_place {
	TAILQ_ENTRY(memory_place) entry;
	bool waits;
	loop_call *resume; /* tries again */
	void *arg;
};

/* NULL: out of memory. */
struct memory_queue *memory_queue_new(struct loop *loop);
void memory_queue_free(struct memory_queue **queue);

void memory_queue_join(struct memory_queue *queue, struct memory_place *place);
void memory_queue_leave(struct memory_queue *queue, struct memory_place *place);
/* There may be something to share out: soon, not from within the caller. */
void memory_queue_share(struct memory_queue *queue);

#endif
