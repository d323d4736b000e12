/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "complaint.h"
#include "lib/log.h"
#include "lib/tags/untagged.h"
#include "tagger.h"

enum {
	STOP_MS = 1000,
	ROOM = 64 << 20, /* some 100,000 messages to one recipient */
};

/* Who hands a note in reads these, and may still do so after the end. */
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct writer *writer;
static struct conf *own; /* of the writer; NULL: that is the first one */

/* ---- the thread ---------------------------------------------------------- */

static void
mark(void *conf)
{
	static atomic_bool unmarked; /* was said */
	const struct conf *of = conf;

	if (untagged_mark(of))
		unmarked = false;
	else if (!atomic_exchange(&unmarked, true))
		log_warning(
		    NULL, "%s.untagged: %s", of->database, strerror(errno));
}

/* Mail has passed without a tag; before the start, too. */
static void
on_missed(struct store *store, void *conf)
{
	(void)store;
	mark(conf);
}

static enum store_result
write_notes(struct writer_note *first, struct store *store, const char **why,
    void *conf)
{
	(void)conf;
	return notes_write(store, (struct note *)first, why);
}

static void
free_notes(struct writer_note *notes, void *conf)
{
	struct note *first = (struct note *)notes;

	(void)conf;
	notes_free(&first);
}

static const struct writer_role role = {
	.busy_ms = 100,
	.gather_ms = 10,
	.retry_ms = 200,
	.called = on_missed,
	.write = write_notes,
	.done = free_notes,
	.late = mark,
};

/* ---- others -------------------------------------------------------------- */

bool
tagger_start(const struct conf *conf)
{
	writer = writer_new(conf, &role, (void *)(uintptr_t)conf);
	return writer != NULL;
}

bool
tagger_take(struct note **note, char why[WRITER_FAULT_SIZE])
{
	bool ok = false;

	strlcpy(why, "the milter is stopping", WRITER_FAULT_SIZE);
	pthread_rwlock_rdlock(&lock);
	if (writer != NULL)
		ok = writer_put(writer, &(*note)->head, false, ROOM, why);
	pthread_rwlock_unlock(&lock);
	if (ok)
		*note = NULL;
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

/* Puts a writer, or none, in place of the one that is there, and ends that. */
static bool
replace(struct writer *fresh, struct conf *conf)
{
	char why[WRITER_FAULT_SIZE];
	struct writer *old = writer;
	struct conf *old_conf = own;
	size_t lost;
	bool ended;

	pthread_rwlock_wrlock(&lock);
	writer = fresh;
	pthread_rwlock_unlock(&lock);
	own = conf;
	ended = writer_stop(&old, STOP_MS, &lost, why);
	if (lost > 0)
		complaint_lost(lost, why);
	if (ended && old_conf != NULL) {
		conf_free(old_conf);
		free(old_conf);
	}
	return ended;
}

void
tagger_reload(struct conf *conf)
{
	struct writer *fresh = writer_new(conf, &role, conf);

	if (fresh != NULL) {
		replace(fresh, conf);
		return;
	}
	log_error(NULL, "out of memory; the old databases stay");
	conf_free(conf);
	free(conf);
}

bool
tagger_stop(void)
{
	return replace(NULL, NULL);
}
