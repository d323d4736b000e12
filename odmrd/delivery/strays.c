/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "customer.h"
#include "odmrd/jobs/flusher.h"
#include "lib/lines.h"
#include "odmrd/jobs/settle.h"
#include "strays.h"

static void
strays_free(struct strays *s)
{
	free(s->question.domains);
	free(s->question.ids);
	free(s->names);
	free(s);
}

void
strays_forget(struct strays **strays)
{
	if (*strays != NULL)
		(*strays)->customer = NULL;
	*strays = NULL;
}

static void
on_answer(struct queue_question *question, bool known)
{
	struct strays *s = (struct strays *)((char *)question -
	    offsetof(struct strays, question));

	if (s->customer != NULL)
		s->found(s->customer, s, known);
	strays_free(s);
}

/* The names are copied: the question may outlive the customer. */
static bool
take_domains(struct strays *s, const char *domains, const long *counts)
{
	struct queue_question *q = &s->question;
	char *rest, *name;

	s->names = rest = strdup(domains);
	q->domains = calloc(lines_count(domains), sizeof(q->domains[0]));
	if (rest == NULL || q->domains == NULL)
		return false;
	for (size_t i = 0; (name = strsep(&rest, "\n")) != NULL; i++)
		if (counts[i] > 0)
			q->domains[q->count++].name = name;
	return true;
}

static bool
take_ids(struct strays *s, const char *ids)
{
	struct queue_question *q = &s->question;

	q->ids = calloc(lines_count(ids), sizeof(q->ids[0]));
	if (q->ids == NULL)
		return false;
	while (lines_next(&ids, q->ids[q->id_count].id, QUEUE_ID_MAX + 1))
		q->id_count++;
	return true;
}

struct strays *
strays_seek(struct customer *c, const struct tagged *tagged,
    void (*found)(struct customer *, const struct strays *, bool))
{
	struct strays *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	if (!take_domains(s, c->domains, tagged->counts) ||
	    !take_ids(s, tagged->ids)) {
		strays_free(s);
		return NULL;
	}
	s->customer = c;
	s->found = found;
	s->question.answer = on_answer;
	queue_count_ask(
	    c->server->patient_queue_count, &s->question, c->who.id);
	return s;
}

bool
strays_hold(const struct strays *s)
{
	char ids[STRAYS_MAX * (QUEUE_ID_MAX + 1) + 1], *end = ids;
	const struct queue_message *message = s->question.ids;

	for (size_t i = 0; i < s->question.id_count; i++, message++)
		if (message->place == QUEUE_ON_HOLD)
			end = stpcpy(stpcpy(end, message->id), "\n");
	if (end == ids)
		return false;
	settle_hold(s->customer->server->settle, ids);
	return true;
}

void
strays_flush_domains(const struct strays *s, struct flush_line *line)
{
	for (size_t i = 0; i < s->question.count; i++)
		flush_line_add(line, s->question.domains[i].name);
}

void
strays_flush_messages(const struct strays *s, struct flush_line *line)
{
	const struct queue_message *message = s->question.ids;

	for (size_t i = 0; i < s->question.id_count; i++, message++)
		if (message->place == QUEUE_DEFERRED ||
		    message->place == QUEUE_INCOMING)
			flush_line_add_message(line, message->id);
}
