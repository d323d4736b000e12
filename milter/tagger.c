/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "complaint.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/tags/untagged.h"
#include "tagger.h"

enum {
	STOP_MS = 1000,
	GRACE_MS = 1000, /* a lock that goes by sooner is not worth a line */
	ROOM = 64 << 20, /* some 100,000 messages to one recipient */
};

/* Until the end, when libmilter's threads still run. */
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct writer *writer;

/* ---- the thread ---------------------------------------------------------- */

static void
mark(const struct conf *conf)
{
	static bool unmarked; /* was said */

	if (untagged_mark(conf))
		unmarked = false;
	else if (!unmarked) {
		log_warning(NULL, "%s.untagged: %s", conf->state_database,
		    strerror(errno));
		unmarked = true;
	}
}

/* Mail has passed without a tag; before the start, too. */
static void
on_missed(struct store *store, const struct conf *conf, void *arg)
{
	(void)store;
	(void)arg;
	mark(conf);
}

static enum store_result
write_notes(
    struct writer_note *first, struct store *store, const char **why, void *arg)
{
	(void)arg;
	return notes_write(store, (struct note *)first, why);
}

static void
free_notes(struct writer_note *notes, void *arg)
{
	struct note *first = (struct note *)notes;

	(void)arg;
	notes_free(&first);
}

static void
on_waiting(size_t count, int64_t since, const char *why,
    const struct conf *conf, void *arg)
{
	(void)arg;
	if (clock_ms() - since <= GRACE_MS)
		return;
	mark(conf);
	complaint_waiting(count, why);
}

static void
on_over(void *arg)
{
	(void)arg;
	complaint_over();
}

static const struct writer_role role = {
	.busy_ms = 100,
	.gather_ms = 10,
	.retry_ms = 200,
	.called = on_missed,
	.write = write_notes,
	.done = free_notes,
	.waiting = on_waiting,
	.over = on_over,
};

/* ---- others -------------------------------------------------------------- */

bool
tagger_start(const struct conf *conf)
{
	writer = writer_new(conf, &role, NULL);
	return writer != NULL;
}

void
tagger_reload(struct conf *conf)
{
	writer_reload(writer, conf);
}

bool
tagger_take(struct note **note, char why[WRITER_FAULT_SIZE])
{
	char reason[WRITER_FAULT_SIZE] = "it has stopped";
	bool ok = false;

	pthread_rwlock_rdlock(&lock);
	if (writer != NULL)
		ok = writer_put(writer, &(*note)->head, false, ROOM, reason);
	pthread_rwlock_unlock(&lock);
	if (ok)
		*note = NULL;
	else
		snprintf(why, WRITER_FAULT_SIZE, "no room for its tag: %.400s",
		    reason);
	return ok;
}

void
tagger_missed(void)
{
	pthread_rwlock_rdlock(&lock);
	if (writer != NULL)
		writer_call(writer);
	pthread_rwlock_unlock(&lock);
}

bool
tagger_stop(void)
{
	char reason[WRITER_FAULT_SIZE], why[WRITER_FAULT_SIZE];
	size_t lost;
	struct writer *ending = writer;
	bool ended;

	pthread_rwlock_wrlock(&lock);
	writer = NULL;
	pthread_rwlock_unlock(&lock);
	ended = writer_stop(&ending, STOP_MS, &lost, reason);
	snprintf(why, sizeof(why), "the milter stops: %.400s", reason);
	if (lost > 0)
		complaint_lost(lost, why);
	return ended;
}
