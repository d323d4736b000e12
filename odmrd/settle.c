/* SPDX-License-Identifier: ISC */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "domain.h"
#include "log.h"
#include "settle.h"

/* A transaction costs as much as the settling of some dozen messages: what
 * comes within GATHER_MS shares one, unless somebody waits for it. */
enum { BUSY_MS = 500, RETRY_MS = 1000, TRIES = 30, TRIES_AT_STOP = 3 };
enum { GATHER_MS = 100 };

enum note_kind { NOTE_TX, NOTE_SESSION, NOTE_END, NOTE_QUESTION };

struct question {
	settle_answer *answer; /* the loop's; NULL: nobody asks any more */
	void *arg;
	long result;
};

/* The strings of a note live behind it, in `text`. */
struct note {
	struct note *next;
	enum note_kind kind;
	union {
		struct settlement tx;
		struct session_row session;
		struct question question;
	} u;
	const char *id;      /* NOTE_END, NOTE_QUESTION: the session */
	int64_t when;        /* NOTE_END */
	const char *domains; /* NOTE_QUESTION */
	char *fill;
	char text[];
};

struct settle {
	const struct conf *conf;
	struct wakeup *wakeup;
	settle_doubt *doubt;
	void *doubt_arg;
	pthread_t thread;
	pthread_mutex_t lock; /* over all below */
	pthread_cond_t work;
	struct note *todo, **todo_tail;
	struct note *done;
	const char *doubted; /* why, or NULL */
	bool urgent;         /* among `todo` */
	bool stopping;
};

static struct note *
note_new(enum note_kind kind, size_t text)
{
	struct note *note = calloc(1, sizeof(*note) + text);

	if (note == NULL) {
		log_error(NULL, "out of memory: tags are behind");
		return NULL;
	}
	note->kind = kind;
	note->fill = note->text;
	return note;
}

static size_t
room(const char *s)
{
	return s != NULL ? strlen(s) + 1 : 0;
}

static const char *
keep(struct note *note, const char *s)
{
	char *at = note->fill;

	if (s == NULL)
		return NULL;
	note->fill = stpcpy(at, s) + 1;
	return at;
}

static void
hand_in(struct settle *settle, struct note *note)
{
	bool urgent = note->kind != NOTE_TX;

	pthread_mutex_lock(&settle->lock);
	if (urgent || settle->todo == NULL)
		pthread_cond_signal(&settle->work);
	*settle->todo_tail = note;
	settle->todo_tail = &note->next;
	settle->urgent |= urgent;
	pthread_mutex_unlock(&settle->lock);
}

void
settle_tx(struct settle *settle, const struct settlement *s)
{
	struct note *note = note_new(NOTE_TX,
	    room(s->queue_id) + room(s->other_id) + room(s->domain) +
		room(s->session) + room(s->answer));

	if (note == NULL)
		return;
	note->u.tx = *s;
	note->u.tx.queue_id = keep(note, s->queue_id);
	note->u.tx.other_id = keep(note, s->other_id);
	note->u.tx.domain = keep(note, s->domain);
	note->u.tx.session = keep(note, s->session);
	note->u.tx.answer = keep(note, s->answer);
	hand_in(settle, note);
}

void
settle_session(struct settle *settle, const struct session_row *row)
{
	struct note *note = note_new(NOTE_SESSION,
	    room(row->id) + room(row->account) + room(row->client) +
		room(row->domains) + room(row->state));

	if (note == NULL)
		return;
	note->u.session = *row;
	note->u.session.id = keep(note, row->id);
	note->u.session.account = keep(note, row->account);
	note->u.session.client = keep(note, row->client);
	note->u.session.domains = keep(note, row->domains);
	note->u.session.state = keep(note, row->state);
	hand_in(settle, note);
}

void
settle_end(struct settle *settle, const char *session)
{
	struct note *note = note_new(NOTE_END, room(session));

	if (note == NULL)
		return;
	note->id = keep(note, session);
	note->when = time(NULL);
	hand_in(settle, note);
}

struct question *
settle_ask(struct settle *settle, const char *domains, const char *session,
    settle_answer *answer, void *arg)
{
	struct note *note =
	    note_new(NOTE_QUESTION, room(domains) + room(session));

	if (note == NULL)
		return NULL;
	note->id = keep(note, session);
	note->domains = keep(note, domains);
	note->u.question = (struct question) { answer, arg, -1 };
	hand_in(settle, note);
	return &note->u.question;
}

void
question_forget(struct question **question)
{
	(*question)->answer = NULL;
	*question = NULL;
}

static enum store_result
count(struct store *store, struct note *note)
{
	enum store_result result = STORE_OK;
	const char *at = note->domains;
	char name[DOMAIN_SIZE];
	int64_t total = 0;
	size_t len;

	for (; *at != '\0' && result == STORE_OK;
	     at += at[len] != '\0' ? len + 1 : len) {
		len = strcspn(at, "\n");
		memcpy(name, at, len);
		name[len] = '\0';
		result = store_tag_count(store, name, note->id, &total);
	}
	note->u.question.result = result == STORE_OK ? (long)total : -1;
	return result;
}

static void
note_doubt(struct settle *settle, const char *why)
{
	pthread_mutex_lock(&settle->lock);
	settle->doubted = why;
	pthread_mutex_unlock(&settle->lock);
}

static enum store_result
settle_message(
    struct settle *settle, struct store *store, const struct settlement *tx)
{
	enum store_result result = store_settle(store, tx);

	if (result == STORE_NONE)
		note_doubt(settle, "mail without a tag");
	return result;
}

static bool
apply(struct settle *settle, struct store *store, struct note *note)
{
	switch (note->kind) {
	case NOTE_TX:
		return settle_message(settle, store, &note->u.tx) !=
		    STORE_FAILED;
	case NOTE_SESSION:
		return store_session_put(store, &note->u.session) !=
		    STORE_FAILED;
	case NOTE_END:
		return store_session_end(store, note->id, note->when) !=
		    STORE_FAILED;
	case NOTE_QUESTION:
		return count(store, note) != STORE_FAILED;
	}
	return false;
}

/* All notes in one transaction, or none of them. */
static bool
write_notes(struct settle *settle, struct store *store, struct note *notes)
{
	if (store_begin(store) != STORE_OK)
		return false;
	for (; notes != NULL; notes = notes->next)
		if (!apply(settle, store, notes)) {
			store_rollback(store);
			return false;
		}
	if (store_commit(store) == STORE_OK)
		return true;
	store_rollback(store);
	return false;
}

static struct timespec
in_ms(long ms)
{
	struct timespec when;

	clock_gettime(CLOCK_REALTIME, &when);
	when.tv_sec += ms / 1000;
	when.tv_nsec += ms % 1000 * 1000000;
	if (when.tv_nsec >= 1000000000) {
		when.tv_sec++;
		when.tv_nsec -= 1000000000;
	}
	return when;
}

/* Waits a moment, or less if the end has come. */
static bool
rest(struct settle *settle)
{
	const struct timespec until = in_ms(RETRY_MS);
	bool stopping;

	pthread_mutex_lock(&settle->lock);
	if (!settle->stopping)
		pthread_cond_timedwait(&settle->work, &settle->lock, &until);
	stopping = settle->stopping;
	pthread_mutex_unlock(&settle->lock);
	return !stopping;
}

static void
persist(struct settle *settle, struct store *store, struct note *notes)
{
	int tries = 0, most = TRIES;

	while (!write_notes(settle, store, notes)) {
		if (tries++ == 0)
			log_warning(NULL, "tags wait: %s", store_error(store));
		/* A question is worth nothing late: nobody waits for it. */
		if (!rest(settle))
			most = TRIES_AT_STOP;
		if (tries >= most) {
			log_error(NULL,
			    "tags not settled, reconcile is due: %s",
			    store_error(store));
			note_doubt(settle, "tags not settled");
			return;
		}
	}
}

static struct note *
take_all(struct settle *settle)
{
	struct timespec until;
	struct note *notes;

	pthread_mutex_lock(&settle->lock);
	while (settle->todo == NULL && !settle->stopping)
		pthread_cond_wait(&settle->work, &settle->lock);
	until = in_ms(GATHER_MS);
	while (!settle->urgent && !settle->stopping &&
	    pthread_cond_timedwait(&settle->work, &settle->lock, &until) == 0)
		continue;
	settle->urgent = false;
	notes = settle->todo;
	settle->todo = NULL;
	settle->todo_tail = &settle->todo;
	pthread_mutex_unlock(&settle->lock);
	return notes;
}

/* Hands the notes back: the questions among them are answered in the loop. */
static void
give_back(struct settle *settle, struct note *notes)
{
	struct note *last = notes;

	while (last->next != NULL)
		last = last->next;
	pthread_mutex_lock(&settle->lock);
	last->next = settle->done;
	settle->done = notes;
	pthread_mutex_unlock(&settle->lock);
	wakeup_ring(settle->wakeup);
}

static void *
run(void *arg)
{
	struct settle *settle = arg;
	struct store *store = store_new(settle->conf, BUSY_MS);
	struct note *notes;

	if (store != NULL && store_session_clear(store) == STORE_FAILED)
		log_warning(NULL, "%s", store_error(store));
	while ((notes = take_all(settle)) != NULL) {
		if (store != NULL ||
		    (store = store_new(settle->conf, BUSY_MS)) != NULL)
			persist(settle, store, notes);
		give_back(settle, notes);
	}
	store_free(&store);
	return NULL;
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
			q->answer(q->result, q->arg);
		free(notes);
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
	    pthread_create(&settle->thread, NULL, run, settle) != 0) {
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
