/* SPDX-License-Identifier: ISC */
/*
 * What settle.c writes: one thing that became of a message or a session, or a
 * question about what is left. A note keeps copies of what it was made from.
 */
#ifndef SETTLE_NOTE_H
#define SETTLE_NOTE_H

#include "history.h"
#include "lib/store/writer.h"
#include "settle.h"

enum note_kind {
	NOTE_TX,
	NOTE_HOLD,
	NOTE_SESSION,
	NOTE_END,
	NOTE_WORKAROUND,
	NOTE_QUESTION,
	NOTE_PAST,
};

struct question {
	settle_answer *answer; /* the loop's; NULL: nobody asks any more */
	void *arg;
	struct tagged tagged;
	long *counts; /* of the domains */
	char *ids, *ids_end;
	size_t ids_max, ids_left;
	const struct conf *conf;
	const char *domains, *session;
	settle_past *past; /* NOTE_PAST: the loop's, instead of answer */
	struct history history;
	int64_t account;
};

struct note {
	struct writer_note head;
	enum note_kind kind;
	union {
		struct settlement tx;
		const char *on_hold;        /* queue ids, each with a newline */
		struct session_row session; /* NOTE_END: the last one */
		struct {
			struct workaround row;
			bool sure;
		} learnt;
		struct question question;
	} u;
	char *fill;
	char text[]; /* the strings */
};

/* All give NULL, with a line in the log, when there is no memory. */
struct note *note_tx(const struct settlement *settlement);
struct note *note_hold(const char *ids);
struct note *note_session(enum note_kind kind, const struct session_row *row);
struct note *note_workaround(const struct workaround *row, bool sure);
struct note *note_question(const struct conf *conf, const char *domains,
    const char *session, size_t ids);
struct note *note_past(int64_t account, const char *domains);
void note_free(struct note *note);

/* STORE_NONE: the message was never tagged. */
enum store_result note_apply(struct note *note, struct store *store);

#endif
