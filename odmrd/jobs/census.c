/* SPDX-License-Identifier: ISC */
#include <sys/wait.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "census.h"
#include "odmrd/net/link.h"
#include "lib/postfix/listing.h"
#include "lib/log.h"
#include "lib/postfix/postqueue.h"

TAILQ_HEAD(questions, census_question);

struct census {
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

static void start(struct census *census);

/* A question may be gone after its answer. */
static void
answer(struct questions *questions, bool known)
{
	struct census_question *question;

	while ((question = TAILQ_FIRST(questions)) != NULL) {
		TAILQ_REMOVE(questions, question, entry);
		question->answer(question, known);
	}
}

static int
compare(const void *name, const void *element)
{
	return strcmp(name, ((const struct census_domain *)element)->name);
}

static void
count_recipient(struct census *census, const char *domain)
{
	struct census_question *question;
	struct census_domain *found;

	TAILQ_FOREACH(question, &census->asked, entry) {
		found = bsearch(domain, question->domains, question->count,
		    sizeof(question->domains[0]), compare);
		if (found != NULL)
			found->counted = true;
	}
}

static void
count_message(struct census_question *question, enum census_place place)
{
	bool counted = false;

	for (size_t i = 0; i < question->count; i++) {
		struct census_domain *domain = &question->domains[i];

		domain->messages += domain->counted;
		counted |= domain->counted;
		domain->counted = false;
	}
	question->messages += counted;
	question->coming +=
	    counted && (place == CENSUS_ACTIVE || place == CENSUS_INCOMING);
}

static enum census_place
place_of(const struct queued *message)
{
	static const char *const names[] = {
		[CENSUS_INCOMING] = "incoming",
		[CENSUS_ACTIVE] = "active",
		[CENSUS_DEFERRED] = "deferred",
		[CENSUS_ON_HOLD] = "hold",
	};

	for (int i = CENSUS_INCOMING; i <= CENSUS_ON_HOLD; i++)
		if (strcmp(message->queue, names[i]) == 0)
			return (enum census_place)i;
	return CENSUS_GONE;
}

static int
compare_id(const void *id, const void *element)
{
	return strcmp(id, ((const struct census_message *)element)->id);
}

static void
find_id(
    struct census_question *question, const char *id, enum census_place place)
{
	struct census_message *found = NULL;

	if (question->id_count > 0)
		found = bsearch(id, question->ids, question->id_count,
		    sizeof(question->ids[0]), compare_id);
	if (found != NULL)
		found->place = place;
}

static bool
on_message(void *arg, const struct queued *message)
{
	enum census_place place = place_of(message);
	struct census *census = arg;
	struct census_question *question;

	for (size_t i = 0; i < message->recipients.count; i++)
		count_recipient(census, message->recipients.all[i].domain);
	TAILQ_FOREACH(question, &census->asked, entry) {
		count_message(question, place);
		find_id(question, message->queue_id, place);
	}
	return true;
}

/* Both the process and its output must have come to their end. */
static void
finish(struct census *census)
{
	bool known;

	if (census->pid != 0 || census->output != NULL)
		return;
	known = !census->cut && listing_end(&census->listing) &&
	    WIFEXITED(census->status) && WEXITSTATUS(census->status) == 0;
	listing_clear(&census->listing);
	timer_stop(census->timer);
	if (!known)
		log_warning(census->id, "postqueue -j: %s%s%s%s %d",
		    census->listing.fault,
		    census->listing.fault[0] != '\0' ? ", " : "",
		    census->cut ? "cut short, " : "",
		    WIFEXITED(census->status) ? "exit status" : "signal",
		    WIFEXITED(census->status) ? WEXITSTATUS(census->status)
					      : WTERMSIG(census->status));
	answer(&census->asked, known);
	if (!TAILQ_EMPTY(&census->waiting))
		start(census);
}

static void
on_output(void *owner)
{
	struct census *census = owner;
	const char *bytes;
	size_t len;

	/* What comes behind a fault is read, so that the child can end. */
	while ((len = link_peek(census->output, &bytes)) > 0) {
		if (!census->cut)
			census->cut =
			    !listing_read(&census->listing, bytes, len);
		link_consume(census->output, len);
	}
}

static void
on_output_end(void *owner, const char *why)
{
	struct census *census = owner;

	(void)why;
	link_abort(&census->output);
	finish(census);
}

static const struct link_role output_role = {
	.input = on_output,
	.ended = on_output_end,
};

static void
on_child(void *arg)
{
	struct census *census = arg;

	if (census->pid == 0 ||
	    waitpid(census->pid, &census->status, WNOHANG) != census->pid)
		return;
	census->pid = 0;
	finish(census);
}

static void
on_timeout(void *arg)
{
	struct census *census = arg;

	if (census->pid == 0 && census->output == NULL) {
		answer(&census->asked, false); /* it could not be started */
		return;
	}
	census->cut = true;
	if (census->pid != 0)
		kill(census->pid, SIGKILL);
	/* Not waited for: another process may hold its other end. */
	on_output_end(census, "timeout");
}

static void
start(struct census *census)
{
	int error, output;

	TAILQ_CONCAT(&census->asked, &census->waiting, entry);
	census->listing = (struct listing) {
		.message = on_message,
		.arg = census,
	};
	error =
	    postqueue_spawn(census->conf, "-j", NULL, &census->pid, &output);
	if (error != 0) {
		census->pid = 0;
		log_error(census->id, "%s: %s", census->conf->postqueue_path,
		    strerror(error));
		timer_set(census->timer, 0);
		return;
	}
	census->output = link_new(census->loop, output, &output_role, census);
	census->cut = census->output == NULL;
	timer_set(census->timer, census->limit_ms);
}

void
census_ask(
    struct census *census, struct census_question *question, const char *id)
{
	strlcpy(census->id, id, sizeof(census->id));
	TAILQ_INSERT_TAIL(&census->waiting, question, entry);
	if (census->pid == 0 && census->output == NULL)
		start(census);
}

struct census *
census_new(struct loop *loop, const struct conf *conf, int64_t limit_ms)
{
	struct census *census = calloc(1, sizeof(*census));

	if (census == NULL)
		return NULL;
	census->loop = loop;
	census->conf = conf;
	census->limit_ms = limit_ms;
	TAILQ_INIT(&census->waiting);
	TAILQ_INIT(&census->asked);
	census->timer = timer_new(loop, on_timeout, census);
	if (census->timer == NULL ||
	    loop_on_signal(loop, SIGCHLD, on_child, census) == -1) {
		timer_free(&census->timer);
		free(census);
		return NULL;
	}
	return census;
}

void
census_free(struct census **censusp)
{
	struct census *census = *censusp;

	if (census == NULL)
		return;
	link_abort(&census->output);
	listing_clear(&census->listing);
	answer(&census->asked, false);
	answer(&census->waiting, false);
	timer_free(&census->timer);
	free(census);
	*censusp = NULL;
}
