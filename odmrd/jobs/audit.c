/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>

#include "audit.h"
#include "lib/log.h"
#include "lib/postfix/program.h"
#include "lib/tags/reconcile.h"
#include "worker.h"

/* Of the time from one audit to the next, it takes this part at most. One that
 * failed is tried again soon: meanwhile nobody hears "no mail". */
enum { PART = 10, RETRY_MS = 5000 };

enum outcome { AUDIT_FAILED, AUDIT_FRESH, AUDIT_DONE };

TAILQ_HEAD(audit_questions, audit_question);

struct audit {
	struct job job; /* it and what follows is the worker's while it runs */
	const struct conf *conf;
	enum outcome outcome;
	int64_t rest_ms; /* until it makes sense to look again */
	int64_t took_ms;
	struct reconcile_report report;
	char error[512];
	/* the loop's: */
	struct worker *worker;
	struct audit_questions waiting;
	struct timer *patience; /* of the one who waits longest */
	struct timer *again;
	bool running;
	bool failed;    /* the last one did */
	bool suspected; /* since the last audit began */
	bool suspected_before;
	int64_t next_ms; /* not before, whatever the database says */
};

/* ---- on the worker ----------------------------------------------------- */

static void
compare(struct audit *audit, struct store *store)
{
	int64_t interval_ms = audit->conf->reconcile_interval * 1000;
	int64_t began_ms = loop_now_ms();

	if (reconcile(audit->conf, store, RECONCILE_BY_ODMRD, &audit->report,
		audit->error, sizeof(audit->error)))
		audit->outcome = AUDIT_DONE;
	audit->took_ms = loop_now_ms() - began_ms;
	audit->rest_ms = (PART - 1) * audit->took_ms;
	if (audit->outcome == AUDIT_DONE)
		return;
	if (audit->rest_ms < RETRY_MS)
		audit->rest_ms = RETRY_MS;
	if (audit->rest_ms > interval_ms)
		audit->rest_ms = interval_ms;
}

static void
work(struct job *job, struct store *store)
{
	struct audit *audit = (struct audit *)job;
	int64_t fresh;

	if (reconcile_fresh(audit->conf, store, &fresh) != STORE_OK)
		snprintf(audit->error, sizeof(audit->error), "%s",
		    store_error(store));
	else if (fresh > 0) {
		audit->outcome = AUDIT_FRESH;
		audit->rest_ms = fresh * 1000;
	} else
		compare(audit, store);
}

/* ---- in the loop ------------------------------------------------------- */

/* A question may be gone after its answer. */
static void
answer_until(struct audit *audit, int64_t until_ms, bool failed)
{
	struct audit_question *question;

	while ((question = TAILQ_FIRST(&audit->waiting)) != NULL &&
	    question->until_ms <= until_ms) {
		TAILQ_REMOVE(&audit->waiting, question, entry);
		question->answer(question, failed);
	}
	if (question != NULL)
		timer_set(
		    audit->patience, question->until_ms - loop_now_ms() + 1);
	else
		timer_stop(audit->patience);
}

static void
on_patience(void *arg)
{
	struct audit *audit = arg;

	log_warning(
	    NULL, "reconcile takes long: clients hear what the tags say");
	answer_until(audit, loop_now_ms(), false);
}

static void
log_outcome(const struct audit *audit)
{
	const struct reconcile_report *r = &audit->report;

	if (audit->outcome == AUDIT_FAILED)
		log_warning(NULL, "reconcile: %s", audit->error);
	if (audit->outcome == AUDIT_DONE)
		log_info(NULL,
		    "reconciled: listed=%lld added=%lld changed=%lld "
		    "delivered=%lld refused=%lld expired=%lld left=%lld "
		    "seconds=%.1f",
		    (long long)r->listed, (long long)r->added,
		    (long long)r->changed, (long long)r->delivered,
		    (long long)r->refused, (long long)r->expired,
		    (long long)r->left, (double)audit->took_ms / 1000);
}

static void
done(struct job *job)
{
	struct audit *audit = (struct audit *)job;

	audit->running = false;
	audit->failed = audit->outcome == AUDIT_FAILED;
	if (audit->outcome != AUDIT_FRESH)
		audit->next_ms = loop_now_ms() + audit->rest_ms;
	log_outcome(audit);
	if (audit->outcome != AUDIT_DONE)
		audit->suspected |= audit->suspected_before;
	if (audit->suspected)
		timer_set(audit->again, audit->rest_ms + 1);
	answer_until(audit, INT64_MAX, audit->failed);
}

static void
start(struct audit *audit)
{
	audit->running = true;
	audit->suspected_before = audit->suspected;
	audit->suspected = false;
	audit->outcome = AUDIT_FAILED;
	audit->rest_ms = RETRY_MS;
	snprintf(audit->error, sizeof(audit->error), "out of memory");
	worker_submit(audit->worker, &audit->job);
}

static void
on_again(void *arg)
{
	struct audit *audit = arg;

	if (!audit->running && audit->suspected)
		start(audit);
}

bool
audit_ask(struct audit *audit, struct audit_question *question)
{
	int64_t now = loop_now_ms();

	if (audit->conf->reconcile_interval == 0)
		return false;
	if (!audit->running && now < audit->next_ms) {
		if (audit->failed)
			question->answer(question, true);
		return audit->failed;
	}
	question->until_ms = now + AUDIT_WAIT_MS;
	if (TAILQ_EMPTY(&audit->waiting))
		timer_set(audit->patience, AUDIT_WAIT_MS);
	TAILQ_INSERT_TAIL(&audit->waiting, question, entry);
	if (!audit->running)
		start(audit);
	return true;
}

void
audit_suspect(struct audit *audit, const char *why)
{
	int64_t now = loop_now_ms();

	if (audit->conf->reconcile_interval == 0 || audit->suspected)
		return;
	log_info(NULL, "reconcile is due: %s", why);
	audit->suspected = true;
	if (!audit->running)
		timer_set(audit->again,
		    audit->next_ms > now ? audit->next_ms - now : 0);
}

struct audit *
audit_new(struct loop *loop, const struct conf *conf)
{
	struct audit *audit = calloc(1, sizeof(*audit));

	if (audit == NULL)
		return NULL;
	audit->job.work = work;
	audit->job.done = done;
	audit->conf = conf;
	TAILQ_INIT(&audit->waiting);
	audit->patience = timer_new(loop, on_patience, audit);
	audit->again = timer_new(loop, on_again, audit);
	audit->worker = worker_new(loop, conf, 1);
	if (audit->patience == NULL || audit->again == NULL ||
	    audit->worker == NULL)
		audit_free(&audit);
	return audit;
}

void
audit_free(struct audit **auditp)
{
	struct audit *audit = *auditp;

	if (audit == NULL)
		return;
	program_abandon();
	worker_free(&audit->worker);
	timer_free(&audit->patience);
	timer_free(&audit->again);
	free(audit);
	*auditp = NULL;
}
