/* SPDX-License-Identifier: ISC */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "settle_note.h"

enum { ANSWER_MS = 30000, STOP_MS = 3000 };

struct settle {
	const struct conf *conf;
	struct writer *writer;
	struct wakeup *wakeup;
	settle_doubt *doubt;
	void *doubt_arg;
	bool cleared; /* of what a dead odmrd left: the writer's thread alone */
	atomic_bool full; /* something found no room, since the last commit */
	pthread_mutex_t lock; /* over all below */
	struct writer_note *done;
	const char *doubted; /* why, or NULL */
};

/* ---- the writer's thread ------------------------------------------------- */

/* Before a session of our own is noted. */
static bool
clear(struct settle *settle, struct store *store)
{
	if (!settle->cleared)
		settle->cleared = store_session_clear(store) != STORE_FAILED;
	return settle->cleared;
}

static void
on_start(struct store *store, void *arg)
{
	if (!clear(arg, store))
		log_warning(NULL, "%s", store_error(store));
}

static void
note_doubt(struct settle *settle, const char *why)
{
	pthread_mutex_lock(&settle->lock);
	settle->doubted = why;
	pthread_mutex_unlock(&settle->lock);
}

static enum store_result
apply_all(struct writer_note *first, struct store *store, struct settle *settle)
{
	enum store_result result;

	for (; first != NULL; first = first->next) {
		result = note_apply((struct note *)first, store);
		if (result == STORE_FAILED)
			return STORE_FAILED;
		if (result == STORE_NONE)
			note_doubt(settle, "mail without a tag");
	}
	return store_commit(store);
}

static enum store_result
write_notes(
    struct writer_note *first, struct store *store, const char **why, void *arg)
{
	struct settle *settle = arg;

	*why = store_error(store);
	if (!clear(settle, store) || store_begin(store) != STORE_OK)
		return STORE_FAILED;
	if (apply_all(first, store, settle) != STORE_OK) {
		store_rollback(store);
		return STORE_FAILED;
	}
	settle->full = false;
	return STORE_OK;
}

/* Nobody waits longer for the answer of a question. */
static bool
has_expired(const struct writer_note *head)
{
	return ((const struct note *)head)->kind >= NOTE_QUESTION &&
	    head->since <= clock_ms() - ANSWER_MS;
}

/* A question among them is answered in the loop. */
static void
give_back(struct writer_note *notes, void *arg)
{
	struct settle *settle = arg;
	struct writer_note **end = &notes;

	while (*end != NULL)
		end = &(*end)->next;
	pthread_mutex_lock(&settle->lock);
	*end = settle->done;
	settle->done = notes;
	pthread_mutex_unlock(&settle->lock);
	wakeup_ring(settle->wakeup);
}

static const struct writer_role role = {
	.busy_ms = 500,
	.gather_ms = 100,
	.retry_ms = 1000,
	.called = on_start,
	.write = write_notes,
	.expired = has_expired,
	.done = give_back,
};

/* ---- the loop ------------------------------------------------------------ */

/* For the log once until something is written, and for reconcile. */
static void
complain_full(struct settle *settle, const char *why)
{
	if (!atomic_exchange(&settle->full, true))
		log_error(NULL, "tags not settled, reconcile is due: %s", why);
	settle->doubt("tags not settled", settle->doubt_arg);
}

/* Takes the note over. False: there was no memory, or no room for it. What is
 * only news gets half of the room. */
static bool
hand_in(struct settle *settle, struct note *note)
{
	char why[WRITER_FAULT_SIZE];
	bool news;

	if (note == NULL)
		return false;
	news = note->kind == NOTE_SESSION;
	if (writer_put(settle->writer, &note->head, note->kind != NOTE_TX,
		news ? SETTLE_ROOM / 2 : SETTLE_ROOM, why))
		return true;
	if (!news)
		complain_full(settle, why);
	free(note);
	return false;
}

void
settle_tx(struct settle *settle, const struct settlement *settlement)
{
	hand_in(settle, note_tx(settlement));
}

void
settle_hold(struct settle *settle, const char *ids)
{
	hand_in(settle, note_hold(ids));
}

void
settle_session(struct settle *settle, const struct session_row *row)
{
	hand_in(settle, note_session(NOTE_SESSION, row));
}

void
settle_end(struct settle *settle, const struct session_row *row)
{
	hand_in(settle, note_session(NOTE_END, row));
}

void
settle_workaround(
    struct settle *settle, const struct workaround *workaround, bool sure)
{
	hand_in(settle, note_workaround(workaround, sure));
}

struct question *
settle_ask_past(struct settle *settle, int64_t account, const char *domains,
    settle_past *answer, void *arg)
{
	struct note *note = note_past(account, domains);

	if (note == NULL)
		return NULL;
	note->u.question.past = answer;
	note->u.question.arg = arg;
	return hand_in(settle, note) ? &note->u.question : NULL;
}

struct question *
settle_ask(struct settle *settle, const char *domains, const char *session,
    size_t ids, settle_answer *answer, void *arg)
{
	struct note *note = note_question(settle->conf, domains, session, ids);

	if (note == NULL)
		return NULL;
	note->u.question.answer = answer;
	note->u.question.arg = arg;
	return hand_in(settle, note) ? &note->u.question : NULL;
}

void
question_forget(struct question **question)
{
	(*question)->answer = NULL;
	(*question)->past = NULL;
	*question = NULL;
}

static void
hear_back(void *arg)
{
	struct settle *settle = arg;
	struct writer_note *notes;
	struct note *note;
	struct question *q;
	const char *why;

	pthread_mutex_lock(&settle->lock);
	notes = settle->done;
	settle->done = NULL;
	why = settle->doubted;
	settle->doubted = NULL;
	pthread_mutex_unlock(&settle->lock);
	if (why != NULL)
		settle->doubt(why, settle->doubt_arg);
	while ((note = (struct note *)notes) != NULL) {
		notes = notes->next;
		q = &note->u.question;
		if (note->kind == NOTE_QUESTION && q->answer != NULL)
			q->answer(&q->tagged, q->arg);
		if (note->kind == NOTE_PAST && q->past != NULL)
			q->past(&q->history, q->arg);
		note_free(note);
	}
}

struct settle *
settle_new(
    struct loop *loop, const struct conf *conf, settle_doubt *doubt, void *arg)
{
	struct settle *settle = calloc(1, sizeof(*settle));

	if (settle == NULL)
		return NULL;
	settle->conf = conf;
	settle->doubt = doubt;
	settle->doubt_arg = arg;
	pthread_mutex_init(&settle->lock, NULL);
	settle->wakeup = wakeup_new(loop, hear_back, settle);
	if (settle->wakeup != NULL)
		settle->writer = writer_new(conf, &role, settle);
	if (settle->writer == NULL) {
		wakeup_free(&settle->wakeup);
		free(settle);
		return NULL;
	}
	return settle;
}

void
settle_free(struct settle **settlep)
{
	struct settle *settle = *settlep;
	char why[WRITER_FAULT_SIZE];
	size_t left;
	bool ended;

	if (settle == NULL)
		return;
	*settlep = NULL;
	ended = writer_stop(&settle->writer, STOP_MS, &left, why);
	if (left > 0)
		log_error(NULL, "tags not settled, reconcile is due: %s", why);
	if (!ended)
		return; /* a disk holds the thread, which uses it still */
	hear_back(settle);
	wakeup_free(&settle->wakeup);
	pthread_mutex_destroy(&settle->lock);
	free(settle);
}
