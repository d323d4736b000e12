/* SPDX-License-Identifier: ISC */
#include <time.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "settle_internal.h"

/* A transaction costs as much as the settling of some dozen messages: what
 * comes within GATHER_MS shares one, unless somebody waits for it. It is not
 * larger than BATCH notes: others want to write, too. */
enum { BUSY_MS = 500, RETRY_MS = 1000, TRIES_AT_STOP = 3 };
enum { GATHER_MS = 100, BATCH = 1000 };
enum { ANSWER_MS = 30000, COMPLAIN_MS = 60000 };

struct writer {
	struct settle *settle;
	struct store *store;
	struct note *notes, **tail; /* taken, not yet written */
	bool cleared;               /* of what a dead odmrd left */
	int failures;               /* since the last commit */
	int64_t complained;
};

/* Waits so long, or until `enough` or the end. Called with the lock. */
static void
linger(struct settle *settle, long ms, const bool *enough)
{
	int64_t end = clock_ms() + ms;
	const struct timespec until = {
		.tv_sec = (time_t)(end / 1000),
		.tv_nsec = (long)(end % 1000) * 1000000,
	};

	while (!settle->stopping && !*enough &&
	    pthread_cond_clockwait(
		&settle->work, &settle->lock, CLOCK_MONOTONIC, &until) == 0)
		continue;
}

/* Waits for notes, or, after a fault, for the time to try again. False when
 * there are none any more. */
static bool
take(struct writer *w)
{
	static const bool never;
	struct settle *settle = w->settle;

	pthread_mutex_lock(&settle->lock);
	while (w->notes == NULL && settle->todo == NULL && !settle->stopping)
		pthread_cond_wait(&settle->work, &settle->lock);
	if (w->failures > 0)
		linger(settle, RETRY_MS, &never);
	else if (w->notes == NULL)
		linger(settle, GATHER_MS, &settle->urgent);
	settle->urgent = false;
	if (settle->todo != NULL) {
		*w->tail = settle->todo;
		w->tail = settle->todo_tail;
		settle->todo = NULL;
		settle->todo_tail = &settle->todo;
	}
	pthread_mutex_unlock(&settle->lock);
	return w->notes != NULL;
}

static void
note_doubt(struct settle *settle, const char *why)
{
	pthread_mutex_lock(&settle->lock);
	settle->doubted = why;
	pthread_mutex_unlock(&settle->lock);
}

/* Hands the note at *at back; its question, if it is one, is answered in the
 * loop. Called with the lock. */
static void
give_back(struct writer *w, struct note **at)
{
	struct note *note = *at;
	struct settle *settle = w->settle;

	*at = note->next;
	if (*at == NULL)
		w->tail = at;
	note->next = settle->done;
	settle->done = note;
	settle->bytes -= note->bytes;
}

/* Up to BATCH notes in one transaction, or none of them. Sets *count. */
static bool
write_batch(struct writer *w, int *count)
{
	enum store_result result;

	*count = 0;
	if (store_begin(w->store) != STORE_OK)
		return false;
	for (struct note *note = w->notes; note != NULL && *count < BATCH;
	     note = note->next, ++*count) {
		result = note_apply(note, w->store);
		if (result == STORE_NONE)
			note_doubt(w->settle, "mail without a tag");
		if (result == STORE_FAILED) {
			store_rollback(w->store);
			return false;
		}
	}
	if (store_commit(w->store) == STORE_OK)
		return true;
	store_rollback(w->store);
	return false;
}

static void
written(struct writer *w, int count)
{
	pthread_mutex_lock(&w->settle->lock);
	for (; count > 0 && w->notes != NULL; count--)
		give_back(w, &w->notes);
	w->settle->full = false;
	pthread_mutex_unlock(&w->settle->lock);
	wakeup_ring(w->settle->wakeup);
	if (w->failures > 0)
		log_info(NULL, "tags are settled again");
	w->failures = 0;
}

/* Nobody waits longer for the answer of a question. */
static void
answer_the_old(struct writer *w)
{
	int64_t before = clock_ms() - ANSWER_MS;

	pthread_mutex_lock(&w->settle->lock);
	for (struct note **at = &w->notes, *note; (note = *at) != NULL;)
		if (note->kind >= NOTE_QUESTION && note->since <= before)
			give_back(w, at);
		else
			at = &note->next;
	pthread_mutex_unlock(&w->settle->lock);
	wakeup_ring(w->settle->wakeup);
}

static void
complain(struct writer *w, const char *why)
{
	if (w->failures > 1 && clock_ms() - w->complained < COMPLAIN_MS)
		return;
	log_warning(NULL, "tags wait: %s", why);
	w->complained = clock_ms();
}

static void
give_up(struct writer *w, const char *why)
{
	log_error(NULL, "tags not settled, reconcile is due: %s", why);
	pthread_mutex_lock(&w->settle->lock);
	while (w->notes != NULL)
		give_back(w, &w->notes);
	pthread_mutex_unlock(&w->settle->lock);
}

static bool
open_store(struct writer *w)
{
	if (w->store == NULL)
		w->store = store_new(w->settle->conf, BUSY_MS);
	return w->store != NULL;
}

/* Before a session of our own is noted. */
static bool
clear(struct writer *w)
{
	if (!w->cleared)
		w->cleared = store_session_clear(w->store) != STORE_FAILED;
	return w->cleared;
}

/* NULL, or why it cannot. */
static const char *
write_some(struct writer *w)
{
	int count;

	if (!open_store(w))
		return "out of memory";
	if (!clear(w) || !write_batch(w, &count))
		return store_error(w->store);
	written(w, count);
	return NULL;
}

static bool
stopping(struct settle *settle)
{
	bool yes;

	pthread_mutex_lock(&settle->lock);
	yes = settle->stopping;
	pthread_mutex_unlock(&settle->lock);
	return yes;
}

static void
write_all(struct writer *w)
{
	int last_tries = TRIES_AT_STOP;
	const char *why;

	while (take(w)) {
		why = write_some(w);
		if (why == NULL)
			continue;
		w->failures++;
		complain(w, why);
		answer_the_old(w);
		if (stopping(w->settle) && --last_tries == 0)
			give_up(w, why);
	}
}

void *
settle_write(void *arg)
{
	struct writer w = { .settle = arg, .tail = &w.notes };

	if (open_store(&w) && !clear(&w))
		log_warning(NULL, "%s", store_error(w.store));
	write_all(&w);
	store_free(&w.store);
	return NULL;
}
