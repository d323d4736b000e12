/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odmrd/delivery/dial.h"
#include "odmrd/jobs/queue_count.h"
#include "etrn.h"
#include "odmrd/jobs/flusher.h"
#include "lib/log.h"
#include "lib/tags/node.h"
#include "client.h"
#include "standing.h"
#include "lib/store/store.h"

enum { OFFER_MS = 100 };

/* It belongs to the worker until done() has it back, and to the
 * count of the queue until counted() has; the client may have gone without
 * waiting for the answer. The result STORE_NONE: not allowed, or unknown. */
struct etrn {
	struct request request;
	void (*then)(struct client *client); /* of etrn_ask_offer */
	struct timer *patience;              /* the same */
	struct node node;
	bool withdrawn; /* or this: who asks has lost its standing */
	struct queue_question question;
};

static void
etrn_free(struct etrn *etrn)
{
	timer_free(&etrn->patience);
	free(etrn->question.domains);
	node_free(&etrn->node);
	request_free(&etrn->request);
}

/* ---- on a worker ------------------------------------------------------- */

static struct etrn_client
client_of(const struct etrn *etrn)
{
	return (struct etrn_client) {
		.address = etrn->request.who.client,
		.login = etrn->request.who.login,
		.account = etrn->request.who.account,
	};
}

/* The queue is asked for the domains that Postfix delivers by itself. Those
 * without a tag are not worth a look into it. */
static void
prepare_question(struct etrn *etrn)
{
	struct queue_question *question = &etrn->question;
	const struct node *node = &etrn->node;

	question->domains = calloc(node->count, sizeof(question->domains[0]));
	if (question->domains == NULL) {
		etrn->node.out_of_memory = true;
		etrn->request.result = STORE_FAILED;
		return;
	}
	for (size_t i = 0; i < node->count; i++)
		if (!domain_mode_is_carried(node->domains[i].mode) &&
		    node->domains[i].held > 0)
			question->domains[question->count++].name =
			    node->domains[i].name;
}

static void
work(struct job *job, struct store *store)
{
	struct etrn *etrn = (struct etrn *)job;
	const struct etrn_client client = client_of(etrn);

	etrn->request.result = STORE_OK;
	if (etrn->request.who.login != NULL)
		etrn->request.result = standing_ask(store, &etrn->request.who);
	etrn->withdrawn = etrn->request.result == STORE_NONE;
	if (etrn->request.result == STORE_OK)
		etrn->request.result = node_find(&etrn->node, store, &client);
	if (etrn->request.result == STORE_OK)
		prepare_question(etrn);
	request_fault(&etrn->request, store);
	if (etrn->node.out_of_memory)
		strcpy(etrn->request.error, "out of memory");
}

static void
work_offer(struct job *job, struct store *store)
{
	struct etrn *etrn = (struct etrn *)job;
	const struct etrn_client client = client_of(etrn);

	etrn->request.result = store_etrn_may_any(store, &client);
}

/* ---- in the loop ------------------------------------------------------- */

/* Where mail waits. False: one of the domains cannot be started. */
static bool
flush_pending(const struct etrn *etrn, bool known)
{
	const struct queue_question *question = &etrn->question;
	bool ok = true;

	for (size_t i = 0; i < question->count; i++)
		if ((!known || question->domains[i].messages > 0) &&
		    !flusher_flush(etrn->request.server->flusher,
			question->domains[i].name, etrn->request.who.id))
			ok = false;
	return ok;
}

static bool
dial_pending(const struct etrn *etrn)
{
	const struct node *node = &etrn->node;
	bool ok = true;

	for (size_t i = 0; i < node->count; i++)
		if (node->domains[i].mode == MODE_HOLD &&
		    node->domains[i].held > 0 &&
		    !dial_domain(
			etrn->request.server->dials, node->domains[i].name))
			ok = false;
	return ok;
}

static void
say(const struct etrn *etrn, const char *text)
{
	if (etrn->request.client != NULL)
		client_reply(etrn->request.client, "%s", text);
}

/* The texts are those of RFC 1985 5.1, which clients read. */
static void
say_pending(const struct etrn *etrn, int64_t certain, bool all_known)
{
	char text[64 + DOMAIN_SIZE];
	const char *node = etrn->node.text;

	if (!all_known && certain == 0)
		snprintf(text, sizeof(text),
		    "250 OK, queuing for node %s started", node);
	else if (!all_known)
		snprintf(text, sizeof(text),
		    "252 OK, pending messages for node %s started", node);
	else if (certain == 0)
		snprintf(text, sizeof(text),
		    "251 OK, no messages waiting for node %s", node);
	else
		snprintf(text, sizeof(text),
		    "253 OK, %" PRId64 " pending messages for node %s started",
		    certain, node);
	log_info(etrn->request.who.id,
	    "ETRN %s client=%s account=%s domains=%zu: %.3s", node,
	    etrn->request.who.client,
	    etrn->request.who.login != NULL ? etrn->request.who.login : "-",
	    etrn->node.count, text);
	say(etrn, text);
}

static void
say_unable(const struct etrn *etrn)
{
	char text[64 + DOMAIN_SIZE];

	snprintf(text, sizeof(text), "458 Unable to queue messages for node %s",
	    etrn->node.text);
	say(etrn, text);
}

/* Not allowed and unknown look alike: nothing is told about others' domains. */
static void
refuse(struct client *cl, const char *node)
{
	log_warning(cl->who.id,
	    "refused: ETRN %s client=%s account=%s: not allowed", node,
	    cl->who.client, cl->who.login != NULL ? cl->who.login : "-");
	client_refuse(cl,
	    "459 Node %s not allowed: unknown, or not yours to start", node);
}

static void
go_on(struct etrn *etrn)
{
	struct client *cl = etrn->request.client;

	request_over(&etrn->request);
	if (cl != NULL)
		client_continue(cl, client_rest_state(cl));
	etrn_free(etrn);
}

static void
release(struct etrn *etrn, bool known)
{
	const struct node *node = &etrn->node;
	int64_t certain = known ? etrn->question.messages : 0;
	bool flushed, dialled;

	for (size_t i = 0; i < node->count; i++)
		if (domain_mode_is_carried(node->domains[i].mode))
			certain += node->domains[i].held;
	flushed = flush_pending(etrn, known);
	dialled = dial_pending(etrn);
	if (flushed && dialled)
		say_pending(etrn, certain, known);
	else
		say_unable(etrn);
	go_on(etrn);
}

/* Only now is the mail started: what was pending when the client asked is what
 * it wants to know. */
static void
counted(struct queue_question *question, bool known)
{
	release(
	    (struct etrn *)((char *)question - offsetof(struct etrn, question)),
	    known);
}

static void
done(struct job *job)
{
	struct etrn *etrn = (struct etrn *)job;

	if (etrn->request.result == STORE_OK) {
		if (etrn->question.count > 0)
			queue_count_ask(etrn->request.server->queue_count,
			    &etrn->question, etrn->request.who.id);
		else
			release(etrn, true);
		return;
	}
	if (etrn->request.result == STORE_FAILED) {
		log_error(
		    etrn->request.who.id, "ETRN: %s", etrn->request.error);
		say_unable(etrn);
	} else if (etrn->request.client != NULL && etrn->withdrawn) {
		client_dismiss(etrn->request.client, STANDING_LOST);
		etrn_free(etrn);
		return;
	} else if (etrn->request.client != NULL)
		refuse(etrn->request.client, etrn->node.text);
	go_on(etrn);
}

/* A fault is not worth a line in the log for everyone who says EHLO. */
static void
done_offer(struct job *job)
{
	struct etrn *etrn = (struct etrn *)job;
	struct client *cl = etrn->request.client;

	if (cl != NULL) {
		if (etrn->request.result != STORE_FAILED)
			cl->etrn_offer = etrn->request.result == STORE_OK
			    ? ETRN_OFFERED
			    : ETRN_HIDDEN;
		etrn->then(cl);
	}
	go_on(etrn);
}

/* No EHLO waits for a database that is locked. */
static void
on_impatience(void *arg)
{
	struct etrn *etrn = arg;
	struct client *cl = etrn->request.client;

	if (cl == NULL)
		return;
	request_cancel(cl);
	etrn->then(cl);
	client_continue(cl, client_rest_state(cl));
}

void
etrn_ask_offer(struct client *cl, void (*then)(struct client *client))
{
	struct etrn *etrn =
	    request_new(cl, sizeof(*etrn), work_offer, done_offer);

	if (etrn != NULL)
		etrn->patience =
		    timer_new(cl->server->loop, on_impatience, etrn);
	if (etrn == NULL || etrn->patience == NULL) {
		if (etrn != NULL)
			etrn_free(etrn);
		then(cl);
		return;
	}
	timer_set(etrn->patience, OFFER_MS);
	etrn->then = then;
	request_submit(&etrn->request);
}

void
etrn_command(struct client *cl, char *args)
{
	struct etrn *etrn;
	struct node node;
	const char *why;

	if (args[0] == '\0') {
		client_refuse(cl, "500 Syntax error: ETRN needs a node");
		return;
	}
	if (!node_parse(&node, args, &why)) {
		client_refuse(
		    cl, "501 Syntax error in parameters: the node %s", why);
		return;
	}
	etrn = request_new(cl, sizeof(*etrn), work, done);
	if (etrn == NULL) {
		client_reply(
		    cl, "458 Unable to queue messages for node %s", node.text);
		return;
	}
	etrn->node = node;
	etrn->question.answer = counted;
	request_submit(&etrn->request);
}
