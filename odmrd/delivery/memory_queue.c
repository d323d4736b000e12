/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "memory_queue.h"

struct memory_queue {
	TAILQ_HEAD(, memory_place) places;
	size_t count;
	struct timer *timer;
};

static void
share_out(void *arg)
{
	struct memory_queue *queue = arg;
	struct memory_place *place;

	/* Each once: who gets nothing queues again, behind the last. */
	for (size_t n = queue->count;
	     n > 0 && (place = TAILQ_FIRST(&queue->places)) != NULL; n--) {
		memory_queue_leave(queue, place);
		place->resume(place->arg);
	}
}

struct memory_queue *
memory_queue_new(struct loop *loop)
{
	struct memory_queue *queue = calloc(1, sizeof(*queue));

	if (queue == NULL)
		return NULL;
	TAILQ_INIT(&queue->places);
	queue->timer = timer_new(loop, share_out, queue);
	if (queue->timer == NULL)
		memory_queue_free(&queue);
	return queue;
}

void
memory_queue_free(struct memory_queue **queue)
{
	if (*queue != NULL)
		timer_free(&(*queue)->timer);
	free(*queue);
	*queue = NULL;
}

void
memory_queue_join(struct memory_queue *queue, struct memory_place *place)
{
	if (place->waits)
		return;
	place->waits = true;
	TAILQ_INSERT_TAIL(&queue->places, place, entry);
	queue->count++;
}

void
memory_queue_leave(struct memory_queue *queue, struct memory_place *place)
{
	if (!place->waits)
		return;
	place->waits = false;
	TAILQ_REMOVE(&queue->places, place, entry);
	queue->count--;
}

void
memory_queue_share(struct memory_queue *queue)
{
	if (!TAILQ_EMPTY(&queue->places))
		timer_set(queue->timer, 0);
}
