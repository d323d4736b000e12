/* SPDX-License-Identifier: ISC */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "worker.h"

enum { BUSY_MS = 1000 };

struct queue {
	struct job *head;
	struct job **tail;
};

struct thread {
	struct worker *worker;
	pthread_t id;
	int64_t account; /* whose job it does, or 0 */
};

struct worker {
	const struct conf *conf;
	struct wakeup *wakeup;
	pthread_mutex_t lock; /* over what follows */
	pthread_cond_t work;
	struct queue todo;
	struct queue done;
	bool stopping;
	int threads;
	struct thread thread[];
};

static void
push(struct queue *queue, struct job *job)
{
	job->next = NULL;
	*queue->tail = job;
	queue->tail = &job->next;
}

static struct job *
pop(struct queue *queue)
{
	struct job *job = queue->head;

	if (job == NULL)
		return NULL;
	queue->head = job->next;
	if (queue->head == NULL)
		queue->tail = &queue->head;
	return job;
}

static bool
has_turn(const struct worker *worker, const struct job *job)
{
	for (int i = 0; i < worker->threads; i++)
		if (job->account != 0 &&
		    worker->thread[i].account == job->account)
			return false;
	return true;
}

static struct job *
next_job(struct worker *worker)
{
	struct queue *todo = &worker->todo;
	struct job **at = &todo->head, *job;

	while ((job = *at) != NULL && !has_turn(worker, job))
		at = &job->next;
	if (job == NULL)
		return NULL;
	*at = job->next;
	if (todo->tail == &job->next)
		todo->tail = at;
	return job;
}

/* Who has done a job looks for the next: no other thread has to hear that its
 * account may go on. */
static struct job *
wait_for_job(struct thread *self)
{
	struct worker *worker = self->worker;
	struct job *job = NULL;

	self->account = 0;
	while (!worker->stopping && (job = next_job(worker)) == NULL)
		pthread_cond_wait(&worker->work, &worker->lock);
	if (job != NULL)
		self->account = job->account;
	return job;
}

static void *
work(void *arg)
{
	struct thread *self = arg;
	struct worker *worker = self->worker;
	struct store *store = store_new(worker->conf, BUSY_MS);
	struct job *job;

	pthread_mutex_lock(&worker->lock);
	while ((job = wait_for_job(self)) != NULL) {
		pthread_mutex_unlock(&worker->lock);
		/* Without a store the job stays undone: "later". */
		if (store != NULL || (store = store_new(worker->conf, BUSY_MS)))
			job->work(job, store);
		pthread_mutex_lock(&worker->lock);
		push(&worker->done, job);
		wakeup_ring(worker->wakeup);
	}
	pthread_mutex_unlock(&worker->lock);
	store_free(&store);
	return NULL;
}

static void
finish(void *arg)
{
	struct worker *worker = arg;
	struct job *job;

	for (;;) {
		pthread_mutex_lock(&worker->lock);
		job = pop(&worker->done);
		pthread_mutex_unlock(&worker->lock);
		if (job == NULL)
			return;
		job->done(job);
	}
}

struct worker *
worker_new(struct loop *loop, const struct conf *conf, int threads)
{
	struct worker *worker = calloc(
	    1, sizeof(*worker) + (size_t)threads * sizeof(worker->thread[0]));

	if (worker == NULL)
		return NULL;
	worker->conf = conf;
	worker->todo.tail = &worker->todo.head;
	worker->done.tail = &worker->done.head;
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->work, NULL);
	worker->wakeup = wakeup_new(loop, finish, worker);
	pthread_mutex_lock(&worker->lock);
	while (worker->wakeup != NULL && worker->threads < threads) {
		struct thread *thread = &worker->thread[worker->threads];

		thread->worker = worker;
		if (pthread_create(&thread->id, NULL, work, thread) != 0)
			break;
		worker->threads++;
	}
	pthread_mutex_unlock(&worker->lock);
	if (worker->threads == 0)
		worker_free(&worker);
	return worker;
}

void
worker_free(struct worker **workerp)
{
	struct worker *worker = *workerp;
	struct job *job;

	if (worker == NULL)
		return;
	pthread_mutex_lock(&worker->lock);
	worker->stopping = true;
	pthread_cond_broadcast(&worker->work);
	pthread_mutex_unlock(&worker->lock);
	for (int i = 0; i < worker->threads; i++)
		pthread_join(worker->thread[i].id, NULL);
	while ((job = pop(&worker->todo)) != NULL)
		push(&worker->done, job);
	finish(worker);
	wakeup_free(&worker->wakeup);
	pthread_cond_destroy(&worker->work);
	pthread_mutex_destroy(&worker->lock);
	free(worker);
	*workerp = NULL;
}

void
worker_submit(struct worker *worker, struct job *job)
{
	pthread_mutex_lock(&worker->lock);
	push(&worker->todo, job);
	pthread_cond_signal(&worker->work);
	pthread_mutex_unlock(&worker->lock);
}
