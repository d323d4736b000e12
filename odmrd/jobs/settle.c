/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "lib/log.h"
#include "settle_internal.h"

/* What is only news gets half of the room. */
static bool
has_room(const struct settle *settle, const struct note *note)
{
	size_t room =
	    note->kind == NOTE_SESSION ? SETTLE_ROOM / 2 : SETTLE_ROOM;

	return settle->bytes + note->bytes <= room;
}

static void
append(struct settle *settle, struct note *note)
{
	bool urgent = note->kind != NOTE_TX;

	if (urgent || settle->todo == NULL)
		pthread_cond_signal(&settle->work);
	*settle->todo_tail = note;
	settle->todo_tail = &note->next;
	settle->bytes += note->bytes;
	settle->urgent |= urgent;
}

/* For the log once until something is written, and for reconcile. */
static void
complain_full(struct settle *settle, bool first)
{
	if (first)
		log_error(NULL,
		    "tags not settled, reconcile is due: "
		    "%d MiB of others wait to be settled",
		    SETTLE_ROOM >> 20);
	settle->doubt("tags not settled", settle->doubt_arg);
}

/* Takes the note over. False: there was no memory, or no room for it. */
static bool
hand_in(struct settle *settle, struct note *note)
{
	bool taken, first = false;

	if (note == NULL)
		return false;
	pthread_mutex_lock(&settle->lock);
	taken = has_room(settle, note);
	if (taken)
		append(settle, note);
	else if (note->kind != NOTE_SESSION) {
		first = !settle->full;
		settle->full = true;
	}
	pthread_mutex_unlock(&settle->lock);
	if (taken)
		return true;
	if (note->kind != NOTE_SESSION)
		complain_full(settle, first);
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
	struct note *notes, *next;
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
	for (; notes != NULL; notes = next) {
		next = notes->next;
		q = &notes->u.question;
		if (notes->kind == NOTE_QUESTION && q->answer != NULL)
			q->answer(&q->tagged, q->arg);
		if (notes->kind == NOTE_PAST && q->past != NULL)
			q->past(&q->history, q->arg);
		note_free(notes);
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
	settle->todo_tail = &settle->todo;
	pthread_mutex_init(&settle->lock, NULL);
	pthread_cond_init(&settle->work, NULL);
	settle->wakeup = wakeup_new(loop, hear_back, settle);
	if (settle->wakeup == NULL ||
	    pthread_create(&settle->thread, NULL, settle_write, settle) != 0) {
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

	if (settle == NULL)
		return;
	pthread_mutex_lock(&settle->lock);
	settle->stopping = true;
	pthread_cond_signal(&settle->work);
	pthread_mutex_unlock(&settle->lock);
	pthread_join(settle->thread, NULL);
	hear_back(settle);
	wakeup_free(&settle->wakeup);
	pthread_cond_destroy(&settle->work);
	pthread_mutex_destroy(&settle->lock);
	free(settle);
	*settlep = NULL;
}
