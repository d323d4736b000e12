/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "writer.h"

enum {
	STOP_GRACE_MS = 500, /* for the last try, past the time for it */
	BATCH_WEIGHT = 1000,
	GRACE_MS = 1000, /* a lock that goes by sooner is not worth a line */
	QUIET_MS = 60000
};

struct writer {
	const struct writer_role *role;
	void *arg;
	/* The thread's alone. */
	struct store *store;
	struct writer_note *batch; /* taken, not yet written */
	int64_t complained;        /* 0: not since all was written */
	/* Under `lock`; the batch is counted here as well. */
	pthread_mutex_t lock;
	pthread_cond_t work;   /* notes */
	pthread_cond_t orders; /* stop, call, an urgent note */
	pthread_cond_t finished;
	struct writer_note *first, **end;
	size_t count, bytes;
	bool urgent; /* among them */
	bool called;
	bool ended;
	int64_t stop_at;               /* 0: not to stop */
	char fault[WRITER_FAULT_SIZE]; /* why the last try failed, or "" */
};

/* False when `deadline` has come. */
static bool
wait_until(struct writer *w, pthread_cond_t *cond, int64_t deadline)
{
	struct timespec when = {
		.tv_sec = (time_t)(deadline / 1000),
		.tv_nsec = (long)(deadline % 1000) * 1000000,
	};

	return pthread_cond_clockwait(cond, &w->lock, CLOCK_MONOTONIC, &when) !=
	    ETIMEDOUT;
}

static const char *
fault_of(const struct writer *w)
{
	return w->fault[0] != '\0' ? w->fault : "the database is slow";
}

/* ---- the thread: all is called and left with the lock -------------------- */

/* Until the first note has waited long enough for others to share its commit.
 * Notes do not wake the thread meanwhile, orders do. */
static void
gather(struct writer *w)
{
	int64_t until = w->first->since + w->role->gather_ms;

	while (
	    w->stop_at == 0 && !w->urgent && wait_until(w, &w->orders, until))
		;
	w->urgent = false;
}

/* After a fault, whoever may be in a hurry. */
static void
rest(struct writer *w)
{
	int64_t until = clock_ms() + w->role->retry_ms;

	while (
	    w->stop_at == 0 && !w->called && wait_until(w, &w->orders, until))
		;
}

static void
take_batch(struct writer *w)
{
	struct writer_note **last = &w->batch;
	size_t weight = 0;

	while (w->first != NULL && weight < BATCH_WEIGHT) {
		weight += w->first->weight;
		*last = w->first;
		last = &w->first->next;
		w->first = w->first->next;
	}
	*last = NULL;
	if (w->first == NULL)
		w->end = &w->first;
}

/* Moves the notes at *from that are done to *done: all, or what has expired. */
static void
pick(struct writer *w, struct writer_note **from, struct writer_note **done,
    bool all)
{
	struct writer_note *note;

	while ((note = *from) != NULL) {
		if (!all &&
		    (w->role->expired == NULL || !w->role->expired(note))) {
			from = &note->next;
			continue;
		}
		*from = note->next;
		if (*from == NULL && w->end == &note->next)
			w->end = from;
		note->next = *done;
		*done = note;
		w->count--;
		w->bytes -= note->bytes;
	}
}

/* One line a minute. */
static void
complain(struct writer *w, size_t count, int64_t since, const char *why)
{
	int64_t now = clock_ms();

	if (now - since <= GRACE_MS)
		return;
	if (w->role->late != NULL)
		w->role->late(w->arg);
	if (w->complained != 0 && now - w->complained < QUIET_MS)
		return;
	log_warning(NULL, "%zu tags wait: %s", count, why);
	w->complained = now;
}

static void
praise(struct writer *w)
{
	if (w->complained != 0)
		log_info(NULL, "the tags that waited are written");
	w->complained = 0;
}

static bool
write_batch(struct writer *w)
{
	struct writer_note *done = NULL;
	int64_t since = w->batch->since;
	const char *why = NULL;
	size_t waiting;
	bool ok;

	pthread_mutex_unlock(&w->lock);
	ok = w->role->write(w->batch, w->store, &why, w->arg) == STORE_OK;
	pthread_mutex_lock(&w->lock);
	strlcpy(w->fault, ok ? "" : why, sizeof(w->fault));
	waiting = w->count;
	pick(w, &w->batch, &done, ok);
	if (!ok)
		pick(w, &w->first, &done, false);
	pthread_mutex_unlock(&w->lock);
	if (!ok)
		complain(w, waiting, since, why);
	if (done != NULL)
		w->role->done(done, w->arg);
	pthread_mutex_lock(&w->lock);
	if (ok && w->count == 0)
		praise(w);
	return ok;
}

static void
answer_call(struct writer *w)
{
	w->called = false;
	pthread_mutex_unlock(&w->lock);
	w->role->called(w->store, w->arg);
	pthread_mutex_lock(&w->lock);
}

/* Leaves when all is written after writer_stop, or the time for it is over. */
static void
write_all(struct writer *w)
{
	for (;;) {
		if (w->called)
			answer_call(w);
		if (w->batch == NULL && w->first != NULL) {
			gather(w);
			take_batch(w);
		}
		if (w->batch != NULL) {
			if (write_batch(w))
				continue;
			if (w->stop_at != 0 && clock_ms() >= w->stop_at)
				return;
			rest(w);
		} else if (!w->called) {
			if (w->stop_at != 0)
				return;
			pthread_cond_wait(&w->work, &w->lock);
		}
	}
}

static void *
run(void *arg)
{
	struct writer *w = arg;

	pthread_mutex_lock(&w->lock);
	write_all(w);
	pthread_mutex_unlock(&w->lock);
	store_free(&w->store);
	pthread_mutex_lock(&w->lock);
	w->ended = true;
	pthread_cond_broadcast(&w->finished);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* ---- its users' threads -------------------------------------------------- */

static void
free_writer(struct writer **w)
{
	store_free(&(*w)->store);
	pthread_cond_destroy(&(*w)->work);
	pthread_cond_destroy(&(*w)->orders);
	pthread_cond_destroy(&(*w)->finished);
	pthread_mutex_destroy(&(*w)->lock);
	free(*w);
	*w = NULL;
}

struct writer *
writer_new(const struct conf *conf, const struct writer_role *role, void *arg)
{
	struct writer *w = calloc(1, sizeof(*w));
	pthread_t thread;

	if (w == NULL)
		return NULL;
	w->role = role;
	w->arg = arg;
	w->called = true;
	w->end = &w->first;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	pthread_cond_init(&w->orders, NULL);
	pthread_cond_init(&w->finished, NULL);
	w->store = store_new(conf, role->busy_ms);
	if (w->store != NULL && pthread_create(&thread, NULL, run, w) == 0)
		pthread_detach(thread);
	else
		free_writer(&w);
	return w;
}

/* With the lock. */
static void
order(struct writer *w)
{
	pthread_cond_signal(&w->orders);
	pthread_cond_signal(&w->work);
}

void
writer_call(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	w->called = true;
	order(w);
	pthread_mutex_unlock(&w->lock);
}

bool
writer_put(struct writer *w, struct writer_note *note, bool urgent, size_t room,
    char why[WRITER_FAULT_SIZE])
{
	bool ok = false;

	pthread_mutex_lock(&w->lock);
	if (w->stop_at != 0)
		strlcpy(why, "it is stopping", WRITER_FAULT_SIZE);
	else if (w->bytes + note->bytes > room)
		snprintf(why, WRITER_FAULT_SIZE,
		    "%zu notes wait already: %.400s", w->count, fault_of(w));
	else
		ok = true;
	if (ok) {
		w->count++;
		w->bytes += note->bytes;
		w->urgent |= urgent;
		note->next = NULL;
		*w->end = note;
		w->end = &note->next;
		if (urgent)
			pthread_cond_signal(&w->orders);
		pthread_cond_signal(&w->work);
	}
	pthread_mutex_unlock(&w->lock);
	return ok;
}

bool
writer_stop(
    struct writer **wp, int ms, size_t *left, char why[WRITER_FAULT_SIZE])
{
	struct writer *w = *wp;
	struct writer_note *rest = NULL;
	int64_t deadline = clock_ms() + ms;

	pthread_mutex_lock(&w->lock);
	w->stop_at = deadline;
	order(w);
	while (
	    !w->ended && wait_until(w, &w->finished, deadline + STOP_GRACE_MS))
		;
	*left = w->count;
	strlcpy(why, fault_of(w), WRITER_FAULT_SIZE);
	if (!w->ended) {
		pthread_mutex_unlock(&w->lock);
		return false;
	}
	pick(w, &w->batch, &rest, true);
	pick(w, &w->first, &rest, true);
	pthread_mutex_unlock(&w->lock);
	if (rest != NULL)
		w->role->done(rest, w->arg);
	free_writer(wp);
	return true;
}
