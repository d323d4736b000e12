/* SPDX-License-Identifier: ISC */
#include <sys/wait.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "queue_count.h"
#include "odmrd/net/link.h"
#include "lib/postfix/listing.h"
#include "lib/log.h"
#include "lib/postfix/postqueue.h"

TAILQ_HEAD(questions, queue_question);

struct queue_count {
	struct loop *loop;
	const struct conf *conf;
	int64_t limit_ms;
	struct questions waiting; /* for the next listing */
	struct questions asked;   /* of the one that runs */
	struct timer *timer;
	struct listing listing;
	pid_t pid; /* 0: none runs */
	int status;
	struct link *output; /* NULL: it has ended */
	bool cut;            /* not all of it was or will be read */
	char id[16];
};

static void start(struct queue_count *qc);

/* A question may be gone after its answer. */
static void
answer(struct questions *questions, bool known)
{
	struct queue_question *question;

	while ((question = TAILQ_FIRST(questions)) != NULL) {
		TAILQ_REMOVE(questions, question, entry);
		question->answer(question, known);
	}
}

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct queue_domain *)a)->name,
	    ((const struct queue_domain *)b)->name);
}

static void
count_recipient(struct queue_count *qc, const char *domain)
{
	struct queue_question *question;
	const struct queue_domain key = { .name = domain };
	struct queue_domain *found;

	TAILQ_FOREACH(question, &qc->asked, entry) {
		found = bsearch(&key, question->domains, question->count,
		    sizeof(question->domains[0]), compare);
		if (found != NULL)
			found->counted = true;
	}
}

static void
count_message(struct queue_question *question, enum queue_place place)
{
	bool counted = false;

	for (size_t i = 0; i < question->count; i++) {
		struct queue_domain *domain = &question->domains[i];

		domain->messages += domain->counted;
		counted |= domain->counted;
		domain->counted = false;
	}
	question->messages += counted;
	question->coming +=
	    counted && (place == QUEUE_ACTIVE || place == QUEUE_INCOMING);
}

static enum queue_place
place_of(const struct queued *message)
{
	static const char *const names[] = {
		[QUEUE_INCOMING] = "incoming",
		[QUEUE_ACTIVE] = "active",
		[QUEUE_DEFERRED] = "deferred",
		[QUEUE_ON_HOLD] = "hold",
	};

	for (int i = QUEUE_INCOMING; i <= QUEUE_ON_HOLD; i++)
		if (strcmp(message->queue, names[i]) == 0)
			return (enum queue_place)i;
	return QUEUE_GONE;
}

/* A message begins with its id. */
static int
compare_id(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
find_id(struct queue_question *question, const char *id, enum queue_place place)
{
	struct queue_message *found = NULL;

	if (question->id_count > 0)
		found = bsearch(id, question->ids, question->id_count,
		    sizeof(question->ids[0]), compare_id);
	if (found != NULL)
		found->place = place;
}

static bool
on_message(void *arg, const struct queued *message)
{
	enum queue_place place = place_of(message);
	struct queue_count *qc = arg;
	struct queue_question *question;

	for (size_t i = 0; i < message->recipients.count; i++)
		count_recipient(qc, message->recipients.all[i].domain);
	TAILQ_FOREACH(question, &qc->asked, entry) {
		count_message(question, place);
		find_id(question, message->queue_id, place);
	}
	return true;
}

/* Both the process and its output must have come to their end. */
static void
finish(struct queue_count *qc)
{
	bool known;

	if (qc->pid != 0 || qc->output != NULL)
		return;
	known = !qc->cut && listing_end(&qc->listing) &&
	    WIFEXITED(qc->status) && WEXITSTATUS(qc->status) == 0;
	listing_clear(&qc->listing);
	timer_stop(qc->timer);
	if (!known)
		log_warning(qc->id, "postqueue -j: %s%s%s%s %d",
		    qc->listing.fault, qc->listing.fault[0] != '\0' ? ", " : "",
		    qc->cut ? "cut short, " : "",
		    WIFEXITED(qc->status) ? "exit status" : "signal",
		    WIFEXITED(qc->status) ? WEXITSTATUS(qc->status)
					  : WTERMSIG(qc->status));
	answer(&qc->asked, known);
	if (!TAILQ_EMPTY(&qc->waiting))
		start(qc);
}

static void
on_output(void *owner)
{
	struct queue_count *qc = owner;
	const char *bytes;
	size_t len;

	/* What comes behind a fault is read, so that the child can end. */
	while ((len = link_peek(qc->output, &bytes)) > 0) {
		if (!qc->cut)
			qc->cut = !listing_read(&qc->listing, bytes, len);
		link_consume(qc->output, len);
	}
}

static void
on_output_end(void *owner, const char *why)
{
	struct queue_count *qc = owner;

	(void)why;
	link_abort(&qc->output);
	finish(qc);
}

static const struct link_role output_role = {
	.input = on_output,
	.ended = on_output_end,
};

static void
on_child(void *arg)
{
	struct queue_count *qc = arg;

	if (qc->pid == 0 || waitpid(qc->pid, &qc->status, WNOHANG) != qc->pid)
		return;
	qc->pid = 0;
	finish(qc);
}

static void
on_timeout(void *arg)
{
	struct queue_count *qc = arg;

	if (qc->pid == 0 && qc->output == NULL) {
		answer(&qc->asked, false); /* it could not be started */
		return;
	}
	qc->cut = true;
	if (qc->pid != 0)
		kill(qc->pid, SIGKILL);
	/* Not waited for: another process may hold its other end. */
	on_output_end(qc, "timeout");
}

static void
start(struct queue_count *qc)
{
	int error, output;

	TAILQ_CONCAT(&qc->asked, &qc->waiting, entry);
	qc->listing = (struct listing) {
		.message = on_message,
		.arg = qc,
	};
	error = postqueue_spawn(qc->conf, "-j", NULL, &qc->pid, &output);
	if (error != 0) {
		qc->pid = 0;
		log_error(qc->id, "%s: %s", qc->conf->postqueue_path,
		    strerror(error));
		timer_set(qc->timer, 0);
		return;
	}
	qc->output = link_new(qc->loop, output, &output_role, qc);
	qc->cut = qc->output == NULL;
	timer_set(qc->timer, qc->limit_ms);
}

static void
sort(struct queue_question *question)
{
	if (question->count > 0)
		qsort(question->domains, question->count,
		    sizeof(question->domains[0]), compare);
	if (question->id_count > 0)
		qsort(question->ids, question->id_count,
		    sizeof(question->ids[0]), compare_id);
}

void
queue_count_ask(
    struct queue_count *qc, struct queue_question *question, const char *id)
{
	strlcpy(qc->id, id, sizeof(qc->id));
	sort(question);
	TAILQ_INSERT_TAIL(&qc->waiting, question, entry);
	if (qc->pid == 0 && qc->output == NULL)
		start(qc);
}

struct queue_count *
queue_count_new(struct loop *loop, const struct conf *conf, int64_t limit_ms)
{
	struct queue_count *qc = calloc(1, sizeof(*qc));

	if (qc == NULL)
		return NULL;
	qc->loop = loop;
	qc->conf = conf;
	qc->limit_ms = limit_ms;
	TAILQ_INIT(&qc->waiting);
	TAILQ_INIT(&qc->asked);
	qc->timer = timer_new(loop, on_timeout, qc);
	if (qc->timer == NULL ||
	    loop_on_signal(loop, SIGCHLD, on_child, qc) == -1) {
		timer_free(&qc->timer);
		free(qc);
		return NULL;
	}
	return qc;
}

void
queue_count_free(struct queue_count **qcp)
{
	struct queue_count *qc = *qcp;

	if (qc == NULL)
		return;
	link_abort(&qc->output);
	listing_clear(&qc->listing);
	answer(&qc->asked, false);
	answer(&qc->waiting, false);
	timer_free(&qc->timer);
	free(qc);
	*qcp = NULL;
}
