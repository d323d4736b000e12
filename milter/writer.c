/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "complaint.h"
#include "lib/log.h"
#include "lib/tags/untagged.h"
#include "writer.h"

enum {
	BUSY_MS = 100,       /* a wait for another process's lock */
	RETRY_MS = 200,      /* after a fault */
	STOP_GRACE_MS = 500, /* for the last try, past the time for it */
	GRACE_MS = 1000, /* a lock that goes by sooner is not worth a line */
	BATCH_RECIPIENTS = 1000 /* others want to write, too */
};

/* Under `lock`; the notes that the thread is writing are the thread's alone,
 * but are counted here. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;   /* notes */
static pthread_cond_t orders = PTHREAD_COND_INITIALIZER; /* stop, reload */
static pthread_cond_t finished = PTHREAD_COND_INITIALIZER;
static struct note *first, **end = &first;
static size_t count, bytes;
/* Mail has passed without a tag: to be marked. Before the start, too. */
static bool missed = true;
static int64_t stop_at; /* 0: not to stop */
static bool ended;
static struct conf *fresh_conf;
static char fault[WRITER_FAULT_SIZE]; /* why the last try failed, or "" */

/* False when `deadline` has come. */
static bool
wait_until(pthread_cond_t *cond, int64_t deadline)
{
	struct timespec when = {
		.tv_sec = (time_t)(deadline / 1000),
		.tv_nsec = (long)(deadline % 1000) * 1000000,
	};

	return pthread_cond_clockwait(cond, &lock, CLOCK_MONOTONIC, &when) !=
	    ETIMEDOUT;
}

/* ---- the thread ---------------------------------------------------------- */

struct writer {
	struct store *store;
	const struct conf *conf;
	struct conf *own_conf; /* conf; NULL: that is the first one */
	bool unmarked;         /* was said */
	struct note *batch;
	size_t batch_count, batch_bytes;
};

/* Until the first note has waited long enough for others to share its commit.
 * Notes do not wake the thread meanwhile, orders do. */
static void
gather(void)
{
	int64_t until = first->since + WRITER_GATHER_MS;

	while (stop_at == 0 && wait_until(&orders, until))
		;
}

static void
take_batch(struct writer *writer)
{
	struct note **last = &writer->batch;
	size_t recipients = 0;

	while (first != NULL && recipients < BATCH_RECIPIENTS) {
		recipients += first->message.recipients.count;
		writer->batch_count++;
		writer->batch_bytes += first->bytes;
		*last = first;
		last = &first->next;
		first = first->next;
	}
	*last = NULL;
	if (first == NULL)
		end = &first;
}

/* Without the lock: a disk may not answer. */
static void
mark(struct writer *writer)
{
	if (untagged_mark(writer->conf))
		writer->unmarked = false;
	else if (!writer->unmarked) {
		log_warning(NULL, "%s.untagged: %s",
		    writer->conf->state_database, strerror(errno));
		writer->unmarked = true;
	}
}

/* Called and left with the lock. */
static void
mark_missed(struct writer *writer)
{
	missed = false;
	pthread_mutex_unlock(&lock);
	mark(writer);
	pthread_mutex_lock(&lock);
}

static void
finish_batch(struct writer *writer)
{
	count -= writer->batch_count;
	bytes -= writer->batch_bytes;
	fault[0] = '\0';
}

/* Called and left with the lock, but the database and the log are waited for
 * without it. */
static bool
write_batch(struct writer *writer)
{
	const char *why = NULL;
	bool ok;
	size_t waiting;

	pthread_mutex_unlock(&lock);
	ok = notes_write(writer->store, writer->batch, &why) == STORE_OK;
	pthread_mutex_lock(&lock);
	if (ok)
		finish_batch(writer);
	else
		strlcpy(fault, why, sizeof(fault));
	waiting = count;
	pthread_mutex_unlock(&lock);
	if (ok) {
		notes_free(&writer->batch);
		writer->batch_count = writer->batch_bytes = 0;
		if (waiting == 0)
			complaint_over();
	} else if (clock_ms() - writer->batch->since > GRACE_MS) {
		mark(writer);
		complaint_waiting(waiting, why);
	}
	pthread_mutex_lock(&lock);
	return ok;
}

static void
forget_conf(struct conf **conf)
{
	if (*conf != NULL)
		conf_free(*conf);
	free(*conf);
	*conf = NULL;
}

/* To close a database can take time: without the lock. */
static void
change_conf(struct writer *writer)
{
	struct conf *conf = fresh_conf;
	struct store *store;

	fresh_conf = NULL;
	pthread_mutex_unlock(&lock);
	store = store_new(conf, BUSY_MS);
	if (store == NULL) {
		log_error(NULL, "out of memory; the old databases stay");
		forget_conf(&conf);
	} else {
		store_free(&writer->store);
		forget_conf(&writer->own_conf);
		writer->store = store;
		writer->conf = writer->own_conf = conf;
		mark(writer);
	}
	pthread_mutex_lock(&lock);
}

/* Leaves when all is written after writer_stop, or the time for it is over. */
static void
write_all(struct writer *writer)
{
	for (;;) {
		if (missed)
			mark_missed(writer);
		if (writer->batch == NULL && first != NULL)
			gather();
		if (fresh_conf != NULL)
			change_conf(writer);
		if (writer->batch == NULL)
			take_batch(writer);
		if (writer->batch != NULL) {
			if (write_batch(writer))
				continue;
			if (stop_at != 0 && clock_ms() >= stop_at)
				return;
			wait_until(&orders, clock_ms() + RETRY_MS);
		} else if (!missed) {
			if (stop_at != 0)
				return;
			pthread_cond_wait(&work, &lock);
		}
	}
}

static void *
run(void *arg)
{
	struct writer *writer = arg;

	pthread_mutex_lock(&lock);
	write_all(writer);
	pthread_mutex_unlock(&lock);
	store_free(&writer->store);
	forget_conf(&writer->own_conf);
	notes_free(&writer->batch);
	free(writer);
	pthread_mutex_lock(&lock);
	ended = true;
	pthread_cond_broadcast(&finished);
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* ---- the server's thread ------------------------------------------------- */

bool
writer_start(const struct conf *conf)
{
	struct writer *writer = calloc(1, sizeof(*writer));
	pthread_t thread;

	if (writer == NULL)
		return false;
	writer->conf = conf;
	writer->store = store_new(conf, BUSY_MS);
	if (writer->store != NULL &&
	    pthread_create(&thread, NULL, run, writer) == 0) {
		pthread_detach(thread);
		return true;
	}
	store_free(&writer->store);
	free(writer);
	return false;
}

void
writer_reload(struct conf *conf)
{
	pthread_mutex_lock(&lock);
	forget_conf(&fresh_conf);
	fresh_conf = conf;
	pthread_cond_signal(&orders);
	pthread_cond_signal(&work);
	pthread_mutex_unlock(&lock);
}

static bool
has_room(const struct note *note, char why[WRITER_FAULT_SIZE])
{
	if (stop_at != 0)
		strlcpy(why, "the milter is stopping", WRITER_FAULT_SIZE);
	else if (bytes + note->bytes > WRITER_ROOM)
		snprintf(why, WRITER_FAULT_SIZE,
		    "%zu messages wait for their tags already: %.400s", count,
		    fault[0] != '\0' ? fault : "the database is slow");
	else
		return true;
	return false;
}

bool
writer_take(struct note **note, char why[WRITER_FAULT_SIZE])
{
	bool ok;

	pthread_mutex_lock(&lock);
	ok = has_room(*note, why);
	if (ok) {
		(*note)->since = clock_ms();
		count++;
		bytes += (*note)->bytes;
		*end = *note;
		end = &(*note)->next;
		*note = NULL;
		pthread_cond_signal(&work);
	}
	pthread_mutex_unlock(&lock);
	return ok;
}

void
writer_missed(void)
{
	pthread_mutex_lock(&lock);
	missed = true;
	pthread_cond_signal(&work);
	pthread_mutex_unlock(&lock);
}

bool
writer_stop(void)
{
	char why[WRITER_FAULT_SIZE];
	bool is_over;
	int64_t deadline = clock_ms() + WRITER_STOP_MS;
	size_t lost;

	pthread_mutex_lock(&lock);
	stop_at = deadline;
	pthread_cond_signal(&orders);
	pthread_cond_signal(&work);
	while (!ended && wait_until(&finished, deadline + STOP_GRACE_MS))
		;
	lost = count;
	is_over = ended;
	snprintf(why, sizeof(why), "the milter stops: %.400s",
	    fault[0] != '\0' ? fault : "the database is slow");
	if (ended) {
		notes_free(&first);
		end = &first;
		forget_conf(&fresh_conf);
	}
	pthread_mutex_unlock(&lock);
	if (lost > 0)
		complaint_lost(lost, why);
	return is_over;
}
