/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>

#include "reconciler.h"
#include "lib/log.h"
#include "lib/postfix/program.h"
#include "lib/tags/reconcile.h"
#include "worker.h"

/* Of the time from one run to the next, it takes this part at most. One that
 * failed is tried again soon: meanwhile nobody hears "no mail". */
enum { PART = 10, RETRY_MS = 5000 };

enum outcome { RUN_FAILED, RUN_FRESH, RUN_DONE };

TAILQ_HEAD(reconciler_questions, reconciler_question);

struct reconciler {
	struct job job; /* it and what follows is the worker's while it runs */
	const struct conf *conf;
	enum outcome outcome;
	int64_t rest_ms; /* until it makes sense to look again */
	int64_t took_ms;
	struct reconcile_report report;
	char error[512];
	/* the loop's: */
	struct worker *worker;
	struct reconciler_questions waiting;
	struct timer *patience; /* of the one who waits longest */
	struct timer *again;
	bool running;
	bool failed;    /* the last one did */
	bool suspected; /* since the last run began */
	bool suspected_before;
	int64_t next_ms; /* not before, whatever the database says */
};

/* ---- on the worker ----------------------------------------------------- */

static void
compare(struct reconciler *reconciler, struct store *store)
{
	int64_t interval_ms = reconciler->conf->reconcile_interval * 1000;
	int64_t began_ms = loop_now_ms();

	if (reconcile(reconciler->conf, store, RECONCILE_BY_ODMRD,
		&reconciler->report, reconciler->error,
		sizeof(reconciler->error)))
		reconciler->outcome = RUN_DONE;
	reconciler->took_ms = loop_now_ms() - began_ms;
	reconciler->rest_ms = (PART - 1) * reconciler->took_ms;
	if (reconciler->outcome == RUN_DONE)
		return;
	if (reconciler->rest_ms < RETRY_MS)
		reconciler->rest_ms = RETRY_MS;
	if (reconciler->rest_ms > interval_ms)
		reconciler->rest_ms = interval_ms;
}

static void
work(struct job *job, struct store *store)
{
	struct reconciler *reconciler = (struct reconciler *)job;
	int64_t fresh;

	if (reconcile_fresh(reconciler->conf, store, &fresh) != STORE_OK)
		snprintf(reconciler->error, sizeof(reconciler->error), "%s",
		    store_error(store));
	else if (fresh > 0) {
		reconciler->outcome = RUN_FRESH;
		reconciler->rest_ms = fresh * 1000;
	} else
		compare(reconciler, store);
}

/* ---- in the loop ------------------------------------------------------- */

/* A question may be gone after its answer. */
static void
answer_until(struct reconciler *reconciler, int64_t until_ms, bool failed)
{
	struct reconciler_question *question;

	while ((question = TAILQ_FIRST(&reconciler->waiting)) != NULL &&
	    question->until_ms <= until_ms) {
		TAILQ_REMOVE(&reconciler->waiting, question, entry);
		question->answer(question, failed);
	}
	if (question != NULL)
		timer_set(reconciler->patience,
		    question->until_ms - loop_now_ms() + 1);
	else
		timer_stop(reconciler->patience);
}

static void
on_patience(void *arg)
{
	struct reconciler *reconciler = arg;

	log_warning(
	    NULL, "reconcile takes long: clients hear what the tags say");
	answer_until(reconciler, loop_now_ms(), false);
}

static void
log_outcome(const struct reconciler *reconciler)
{
	const struct reconcile_report *r = &reconciler->report;

	if (reconciler->outcome == RUN_FAILED)
		log_warning(NULL, "reconcile: %s", reconciler->error);
	if (reconciler->outcome == RUN_DONE)
		log_info(NULL,
		    "reconciled: listed=%lld added=%lld changed=%lld "
		    "delivered=%lld refused=%lld expired=%lld left=%lld "
		    "seconds=%.1f",
		    (long long)r->listed, (long long)r->added,
		    (long long)r->changed, (long long)r->delivered,
		    (long long)r->refused, (long long)r->expired,
		    (long long)r->left, (double)reconciler->took_ms / 1000);
}

static void
done(struct job *job)
{
	struct reconciler *reconciler = (struct reconciler *)job;

	reconciler->running = false;
	reconciler->failed = reconciler->outcome == RUN_FAILED;
	if (reconciler->outcome != RUN_FRESH)
		reconciler->next_ms = loop_now_ms() + reconciler->rest_ms;
	log_outcome(reconciler);
	if (reconciler->outcome != RUN_DONE)
		reconciler->suspected |= reconciler->suspected_before;
	if (reconciler->suspected)
		timer_set(reconciler->again, reconciler->rest_ms + 1);
	answer_until(reconciler, INT64_MAX, reconciler->failed);
}

static void
start(struct reconciler *reconciler)
{
	reconciler->running = true;
	reconciler->suspected_before = reconciler->suspected;
	reconciler->suspected = false;
	reconciler->outcome = RUN_FAILED;
	reconciler->rest_ms = RETRY_MS;
	snprintf(reconciler->error, sizeof(reconciler->error), "out of memory");
	worker_submit(reconciler->worker, &reconciler->job);
}

static void
on_again(void *arg)
{
	struct reconciler *reconciler = arg;

	if (!reconciler->running && reconciler->suspected)
		start(reconciler);
}

bool
reconciler_ask(
    struct reconciler *reconciler, struct reconciler_question *question)
{
	int64_t now = loop_now_ms();

	if (reconciler->conf->reconcile_interval == 0)
		return false;
	if (!reconciler->running && now < reconciler->next_ms) {
		if (reconciler->failed)
			question->answer(question, true);
		return reconciler->failed;
	}
	question->until_ms = now + RECONCILER_WAIT_MS;
	if (TAILQ_EMPTY(&reconciler->waiting))
		timer_set(reconciler->patience, RECONCILER_WAIT_MS);
	TAILQ_INSERT_TAIL(&reconciler->waiting, question, entry);
	if (!reconciler->running)
		start(reconciler);
	return true;
}

void
reconciler_request(struct reconciler *reconciler, const char *why)
{
	int64_t now = loop_now_ms();

	if (reconciler->conf->reconcile_interval == 0 || reconciler->suspected)
		return;
	log_info(NULL, "reconcile is due: %s", why);
	reconciler->suspected = true;
	if (!reconciler->running)
		timer_set(reconciler->again,
		    reconciler->next_ms > now ? reconciler->next_ms - now : 0);
}

struct reconciler *
reconciler_new(struct loop *loop, const struct conf *conf)
{
	struct reconciler *reconciler = calloc(1, sizeof(*reconciler));

	if (reconciler == NULL)
		return NULL;
	reconciler->job.work = work;
	reconciler->job.done = done;
	reconciler->conf = conf;
	TAILQ_INIT(&reconciler->waiting);
	reconciler->patience = timer_new(loop, on_patience, reconciler);
	reconciler->again = timer_new(loop, on_again, reconciler);
	reconciler->worker = worker_new(loop, conf, 1);
	if (reconciler->patience == NULL || reconciler->again == NULL ||
	    reconciler->worker == NULL)
		reconciler_free(&reconciler);
	return reconciler;
}

void
reconciler_free(struct reconciler **reconcilerp)
{
	struct reconciler *reconciler = *reconcilerp;

	if (reconciler == NULL)
		return;
	program_abandon();
	worker_free(&reconciler->worker);
	timer_free(&reconciler->patience);
	timer_free(&reconciler->again);
	free(reconciler);
	*reconcilerp = NULL;
}
