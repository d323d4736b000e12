/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/domain.h"
#include "lib/lines.h"
#include "lib/log.h"
#include "lib/queue_id.h"
#include "lib/tags/reconcile.h"
#include "settle_note.h"
#include "workaround_name.h"

enum { ID_ROOM = QUEUE_ID_MAX + 1 };

static struct note *
note_new(enum note_kind kind, size_t text)
{
	size_t bytes = sizeof(struct note) + text;
	struct note *note = calloc(1, bytes);

	if (note == NULL) {
		log_error(NULL, "out of memory: tags are behind");
		return NULL;
	}
	note->kind = kind;
	note->head.since = clock_ms();
	note->head.bytes = bytes;
	note->head.weight = 1;
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

struct note *
note_tx(const struct settlement *s)
{
	struct note *note = note_new(NOTE_TX,
	    room(s->queue_id) + room(s->other_id) + room(s->domain) +
		room(s->session) + room(s->answer));

	if (note == NULL)
		return NULL;
	note->u.tx = *s;
	note->u.tx.queue_id = keep(note, s->queue_id);
	note->u.tx.other_id = keep(note, s->other_id);
	note->u.tx.domain = keep(note, s->domain);
	note->u.tx.session = keep(note, s->session);
	note->u.tx.answer = keep(note, s->answer);
	return note;
}

struct note *
note_hold(const char *ids)
{
	struct note *note = note_new(NOTE_HOLD, room(ids));

	if (note != NULL)
		note->u.on_hold = keep(note, ids);
	return note;
}

struct note *
note_session(enum note_kind kind, const struct session_row *row)
{
	struct note *note = note_new(kind,
	    room(row->id) + room(row->account) + room(row->client) +
		room(row->domains) + room(row->state));

	if (note == NULL)
		return NULL;
	note->u.session = *row;
	note->u.session.id = keep(note, row->id);
	note->u.session.account = keep(note, row->account);
	note->u.session.client = keep(note, row->client);
	note->u.session.domains = keep(note, row->domains);
	note->u.session.state = keep(note, row->state);
	return note;
}

/* The counts stand before the strings, as they are aligned there. */
struct note *
note_question(const struct conf *conf, const char *domains, const char *session,
    size_t ids)
{
	size_t counts = lines_count(domains) * sizeof(long);
	struct note *note = note_new(NOTE_QUESTION,
	    counts + room(domains) + room(session) + ids * ID_ROOM + 1);
	struct question *question;

	if (note == NULL)
		return NULL;
	question = &note->u.question;
	question->conf = conf;
	question->counts = (void *)note->fill;
	note->fill += counts;
	question->domains = keep(note, domains);
	question->session = keep(note, session);
	question->ids = note->fill;
	question->ids_max = ids;
	return note;
}

struct note *
note_workaround(const struct workaround *row, bool sure)
{
	struct note *note = note_new(NOTE_WORKAROUND,
	    room(row->domain) + room(row->what) + room(row->why));

	if (note == NULL)
		return NULL;
	note->u.learnt.row = *row;
	note->u.learnt.row.domain = keep(note, row->domain);
	note->u.learnt.row.what = keep(note, row->what);
	note->u.learnt.row.why = keep(note, row->why);
	note->u.learnt.sure = sure;
	return note;
}

struct note *
note_past(int64_t account, const char *domains)
{
	struct note *note = note_new(NOTE_PAST, room(domains));

	if (note == NULL)
		return NULL;
	note->u.question.domains = keep(note, domains);
	note->u.question.account = account;
	return note;
}

void
note_free(struct note *note)
{
	if (note->kind == NOTE_PAST)
		history_clear(&note->u.question.history);
	free(note);
}

static enum store_result
learn(const struct note *note, struct store *store)
{
	const struct workaround *row = &note->u.learnt.row;

	return row->why != NULL
	    ? store_workaround_put(store, row, note->u.learnt.sure)
	    : store_workaround_forget(store, row);
}

static void
on_suspect(const struct suspect *suspect, void *arg)
{
	history_add(arg, suspect);
}

static void
on_workaround(const struct workaround *workaround, void *arg)
{
	struct history *history = arg;

	history->avoid |= workaround_of(workaround->what);
}

/* What finds no memory goes like any other message. */
static enum store_result
recall(struct note *note, struct store *store)
{
	struct history *history = &note->u.question.history;
	const char *at = note->u.question.domains;
	const int64_t account = note->u.question.account;
	char name[DOMAIN_SIZE];
	enum store_result result;

	history_clear(history);
	result = store_workaround_each(store, account, account == 0 ? at : "",
	    time(NULL), on_workaround, history);
	while (result != STORE_FAILED && lines_next(&at, name, sizeof(name)))
		result = store_suspects(store, name, on_suspect, history);
	history_sort(history);
	return result == STORE_FAILED ? STORE_FAILED : STORE_OK;
}

/* Postfix could not be asked for what is no queue id. */
static void
on_id(const char *id, void *arg)
{
	struct question *question = arg;

	if (!queue_id_valid(id))
		return;
	question->ids_end = stpcpy(stpcpy(question->ids_end, id), "\n");
	question->ids_left--;
}

static enum store_result
look_at(
    struct question *question, size_t i, const char *name, struct store *store)
{
	int64_t count = 0;
	enum store_result result =
	    store_tag_count(store, name, question->session, &count);

	question->counts[i] = (long)count;
	question->tagged.messages += (long)count;
	if (result == STORE_OK && count > 0 && question->ids_left > 0)
		result = store_tag_unattempted(store, name, question->session,
		    (int64_t)question->ids_left, on_id, question);
	return result;
}

static enum store_result
answer(struct question *question, struct store *store)
{
	const char *at = question->domains;
	struct tagged *tagged = &question->tagged;
	char name[DOMAIN_SIZE];
	int64_t fresh;

	*tagged = (struct tagged) { 0 };
	question->ids_end = question->ids;
	question->ids_left = question->ids_max;
	for (size_t i = 0; lines_next(&at, name, sizeof(name)); i++) {
		if (look_at(question, i, name, store) == STORE_FAILED)
			return STORE_FAILED;
	}
	*question->ids_end = '\0';
	if (reconcile_fresh(question->conf, store, &fresh) == STORE_FAILED)
		return STORE_FAILED;
	tagged->confirmed = fresh > 0;
	tagged->counts = question->counts;
	tagged->ids = question->ids;
	tagged->known = true;
	return STORE_OK;
}

static enum store_result
hold(const char *at, struct store *store)
{
	char id[QUEUE_ID_MAX + 1];

	while (lines_next(&at, id, sizeof(id)))
		if (store_tag_hold(store, id) == STORE_FAILED)
			return STORE_FAILED;
	return STORE_OK;
}

/* With the last row once more: the ones before may have found no room. */
static enum store_result
end_session(const struct session_row *row, struct store *store)
{
	if (store_session_put(store, row) == STORE_FAILED)
		return STORE_FAILED;
	return store_session_end(store, row->id, row->noted);
}

enum store_result
note_apply(struct note *note, struct store *store)
{
	switch (note->kind) {
	case NOTE_TX:
		return store_settle(store, &note->u.tx);
	case NOTE_HOLD:
		return hold(note->u.on_hold, store);
	case NOTE_SESSION:
		return store_session_put(store, &note->u.session);
	case NOTE_END:
		return end_session(&note->u.session, store);
	case NOTE_WORKAROUND:
		return learn(note, store);
	case NOTE_QUESTION:
		return answer(&note->u.question, store);
	case NOTE_PAST:
		return recall(note, store);
	}
	return STORE_FAILED;
}
