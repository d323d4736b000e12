/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "customer.h"
#include "lmtp.h"
#include "lib/log.h"
#include "refusal.h"
#include "verdict.h"

/* The question belongs to the worker until done() has it back. */
struct verdict {
	struct job job;
	struct lmtp *lmtp; /* NULL: the connection has ended */
	char id[QUEUE_ID_SIZE];
	char other_id[QUEUE_ID_SIZE]; /* or "" */
	char domain[DOMAIN_SIZE];
	char session[SESSION_ID_SIZE];
	int64_t age; /* of the first refusal before this one */
	bool refused_before;
};

bool
verdict_needed(const struct lmtp *lmtp)
{
	const struct customer *c = lmtp->customer;

	return c->server->conf->believe_5xx == BELIEVE_SECOND_OPINION &&
	    c->tally.delivered == 0 && tx_count(lmtp->tx, 5) > 0 &&
	    tx_count(lmtp->tx, 2) == 0;
}

/* 550 5.1.1 becomes 450 4.1.1. */
static void
soften_recipient(struct recipient *r)
{
	static const char note[] = " (kept for a second opinion)";
	char *text = NULL;

	r->code = refusal_softened(r->code);
	if (r->text == NULL)
		return;
	if (strncmp(r->text, "5.", 2) == 0)
		r->text[0] = '4';
	if (asprintf(&text, "%s%s", r->text, note) < 0)
		return;
	free(r->text);
	r->text = text;
}

static void
soften(struct lmtp *lmtp)
{
	struct transaction *tx = lmtp->tx;

	for (size_t i = 0; i < tx->rcpt_count; i++) {
		struct recipient *r = &tx->rcpts[i];

		if (r->code / 100 != 5)
			continue;
		log_warning(lmtp->customer->who.id,
		    "doubted: queue_id=%s to=%.*s answer=\"%d %.200s\"",
		    tx_id(tx) != NULL ? tx_id(tx) : "-",
		    (int)tx_path_len(r->args), r->args, r->code,
		    r->text != NULL ? r->text : "");
		soften_recipient(r);
		tx->doubted++;
	}
}

static void
work(struct job *job, struct store *store)
{
	struct verdict *v = (struct verdict *)job;
	enum store_result result;

	result =
	    store_tag_doubted(store, v->id, v->domain, v->session, &v->age);
	if (result == STORE_NONE && v->other_id[0] != '\0')
		result = store_tag_doubted(
		    store, v->other_id, v->domain, v->session, &v->age);
	v->refused_before = result == STORE_OK;
}

static void
done(struct job *job)
{
	struct verdict *v = (struct verdict *)job;
	struct lmtp *lmtp = v->lmtp;
	const struct conf *conf;

	if (lmtp != NULL) {
		conf = lmtp->customer->server->conf;
		if (!v->refused_before || v->age < conf->second_opinion_time)
			soften(lmtp);
		lmtp->verdict = NULL;
		lmtp_judged(lmtp);
	}
	free(v);
}

bool
verdict_ask(struct lmtp *lmtp)
{
	const struct transaction *tx = lmtp->tx;
	struct verdict *v = NULL;

	/* A message without a queue id cannot be recognised later. */
	if (tx_id(tx) != NULL)
		v = calloc(1, sizeof(*v));
	if (v == NULL) {
		soften(lmtp);
		return false;
	}
	v->job.work = work;
	v->job.done = done;
	v->lmtp = lmtp;
	strcpy(v->id, tx_id(tx));
	if (tx_other_id(tx) != NULL)
		strcpy(v->other_id, tx_other_id(tx));
	strcpy(v->domain, lmtp->domain);
	strcpy(v->session, lmtp->customer->who.id);
	lmtp->verdict = v;
	worker_submit(lmtp->customer->server->worker, &v->job);
	return true;
}

void
verdict_decline(struct lmtp *lmtp)
{
	verdict_cancel(&lmtp->verdict);
	soften(lmtp);
}

void
verdict_cancel(struct verdict **verdict)
{
	if (*verdict != NULL)
		(*verdict)->lmtp = NULL;
	*verdict = NULL;
}
