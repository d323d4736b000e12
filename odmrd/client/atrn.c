/* SPDX-License-Identifier: ISC */
/*
 * ATRN (RFC 2645 5.2.1): may this account have these domains, and is mail
 * waiting? If so the line is turned, and the client becomes a customer.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "odmrd/jobs/reconciler.h"
#include "lib/domain.h"
#include "lib/log.h"
#include "client.h"
#include "command.h"
#include "standing.h"
#include "lib/store/store.h"
#include "turn.h"

struct atrn {
	struct request request;
	struct reconciler_question question;
	bool checked;      /* the tags are as right as can be */
	unsigned rechecks; /* begun before it asked */
	char *list;        /* not read yet, or NULL */
	const char *fault; /* of the list */
	bool all;          /* no domain was named */
	struct wanted *wanted;
	size_t count;
	/* STORE_NONE: it is not theirs; or, if NULL, they are not let in. */
	const struct wanted *refused;
	int64_t held;
	bool out_of_memory;
};

static void
atrn_free(struct atrn *atrn)
{
	free(atrn->list);
	free(atrn->wanted);
	request_free(&atrn->request);
}

/* ---- on the worker ----------------------------------------------------- */

static bool
want(struct atrn *atrn, const char *name)
{
	struct wanted *wanted;

	/* Grows at each power of two. */
	if ((atrn->count & (atrn->count - 1)) == 0) {
		wanted = reallocarray(atrn->wanted,
		    atrn->count == 0 ? 1 : 2 * atrn->count, sizeof(*wanted));
		if (wanted == NULL)
			return false;
		atrn->wanted = wanted;
	}
	wanted = &atrn->wanted[atrn->count++];
	memset(wanted, 0, sizeof(*wanted));
	strcpy(wanted->name, name);
	return true;
}

/* NULL, or what is wrong with the list. */
static const char *
parse(struct atrn *atrn, const char *args)
{
	char name[DOMAIN_SIZE];
	const char *why = NULL;
	size_t len;

	while (*args != '\0') {
		args += strspn(args, " \t");
		len = strcspn(args, ", \t");
		if (!domain_canonical(args, len, name, &why))
			return why;
		if (!want(atrn, name))
			return "does not fit into memory";
		args += len;
		args += strspn(args, " \t");
		if (*args == '\0')
			break;
		if (*args != ',')
			return "is not followed by a comma";
		if (*++args == '\0')
			return "is missing behind a comma";
	}
	return NULL;
}

/* By name; of one name, in their order. */
static int
compare(const void *a, const void *b, void *arg)
{
	const struct wanted *wanted = arg;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	int order = strcmp(wanted[x].name, wanted[y].name);

	return order != 0 ? order : (x > y) - (x < y);
}

/* A domain that is named twice counts once. False: out of memory. */
static bool
drop_repeated(struct atrn *atrn)
{
	size_t *sorted = calloc(atrn->count + 1, sizeof(*sorted));
	struct wanted *wanted = atrn->wanted;
	size_t kept = 0;

	if (sorted == NULL)
		return false;
	for (size_t i = 0; i < atrn->count; i++)
		sorted[i] = i;
	qsort_r(sorted, atrn->count, sizeof(*sorted), compare, wanted);
	for (size_t i = atrn->count; i-- > 1;)
		if (strcmp(wanted[sorted[i]].name,
			wanted[sorted[i - 1]].name) == 0)
			wanted[sorted[i]].name[0] = '\0';
	free(sorted);
	for (size_t i = 0; i < atrn->count; i++)
		if (wanted[i].name[0] != '\0')
			wanted[kept++] = wanted[i];
	atrn->count = kept;
	return true;
}

/* A long list takes milliseconds: not in the loop. */
static void
read_list(struct atrn *atrn)
{
	atrn->fault = parse(atrn, atrn->list);
	if (atrn->fault == NULL && !drop_repeated(atrn))
		atrn->fault = "does not fit into memory";
	atrn->all = atrn->count == 0;
	free(atrn->list);
	atrn->list = NULL;
}

static void
on_grant(const char *name, void *arg)
{
	struct atrn *atrn = arg;

	if (!want(atrn, name))
		atrn->out_of_memory = true;
}

/* Without an argument ATRN means all that the account has and may collect so.
 */
static enum store_result
want_all(struct atrn *atrn, struct store *store)
{
	enum store_result result;
	size_t kept = 0;

	atrn->count = 0;
	result = store_grants(store, atrn->request.who.account, on_grant, atrn);
	for (size_t i = 0; result == STORE_OK && i < atrn->count; i++) {
		struct wanted *wanted = &atrn->wanted[i];

		result =
		    standing_find(store, atrn->request.who.account, wanted);
		if (result == STORE_OK)
			atrn->wanted[kept++] = *wanted;
		else if (result == STORE_NONE)
			result = STORE_OK;
	}
	atrn->count = kept;
	return result;
}

/* RFC 2645 5.2.1: one domain that is not theirs refuses the whole command. */
static enum store_result
check(struct atrn *atrn, struct store *store)
{
	for (size_t i = 0; i < atrn->count; i++) {
		struct wanted *wanted = &atrn->wanted[i];
		enum store_result result =
		    standing_find(store, atrn->request.who.account, wanted);

		if (result != STORE_OK) {
			atrn->refused = wanted;
			return result;
		}
	}
	return STORE_OK;
}

static void
work(struct job *job, struct store *store)
{
	struct atrn *atrn = (struct atrn *)job;
	enum store_result result;

	if (atrn->list != NULL)
		read_list(atrn);
	if (atrn->fault != NULL)
		return;
	result = standing_ask(store, &atrn->request.who);
	if (result == STORE_OK)
		result = atrn->all ? want_all(atrn, store) : check(atrn, store);
	for (size_t i = 0; result == STORE_OK && i < atrn->count; i++)
		result = store_tag_count(
		    store, atrn->wanted[i].name, "", &atrn->held);
	atrn->request.result = atrn->out_of_memory ? STORE_FAILED : result;
	request_fault(&atrn->request, store);
	if (atrn->out_of_memory)
		strcpy(atrn->request.error, "out of memory");
}

/* ---- in the loop ------------------------------------------------------- */

static void
refuse(struct client *cl, const struct atrn *atrn)
{
	if (atrn->fault != NULL) {
		client_refuse(cl, "501 5.5.4 A domain %s", atrn->fault);
		return;
	}
	switch (atrn->request.result) {
	case STORE_FAILED:
		log_error(cl->who.id, "ATRN: %s", atrn->request.error);
		client_reply(cl, "451 4.3.0 Cannot process ATRN now");
		break;
	case STORE_NONE:
		log_warning(cl->who.id,
		    "refused: ATRN %s client=%s account=%s: not granted",
		    atrn->refused->name, cl->who.client, cl->who.login);
		client_reply(cl, "450 4.7.0 %s is not yours to collect",
		    atrn->refused->name);
		break;
	case STORE_OK:
	case STORE_EXISTS:
		client_reply(cl, "453 4.0.0 You have no mail");
		break;
	}
}

static void
submit(struct atrn *atrn)
{
	/* Stays, should no worker get to it. */
	atrn->request.result = STORE_FAILED;
	atrn->refused = NULL;
	atrn->held = 0;
	atrn->rechecks = atrn->request.server->rechecks;
	request_submit(&atrn->request);
}

static void finish(struct atrn *atrn);

static void
on_checked(struct reconciler_question *question, bool failed)
{
	struct atrn *atrn =
	    (struct atrn *)((char *)question - offsetof(struct atrn, question));

	if (atrn->request.client == NULL)
		atrn_free(atrn);
	else if (failed) {
		atrn->request.result = STORE_FAILED;
		strcpy(atrn->request.error,
		    "no mail is tagged, and reconcile failed");
		finish(atrn);
	} else
		submit(atrn);
}

/* No mail, say the tags: is it so? A customer that lingers comes for the mail
 * that is yet to arrive, and gets what has no tag besides. */
static bool
ask_reconciler(struct atrn *atrn)
{
	if (atrn->request.result != STORE_OK || atrn->count == 0 ||
	    atrn->held > 0 || atrn->request.who.linger > 0 || atrn->checked)
		return false;
	atrn->checked = true;
	atrn->question.answer = on_checked;
	return reconciler_ask(
	    atrn->request.server->reconciler, &atrn->question);
}

static void
done(struct job *job)
{
	struct atrn *atrn = (struct atrn *)job;

	if (atrn->request.client == NULL)
		atrn_free(atrn);
	else if (atrn->rechecks != atrn->request.server->rechecks)
		/* It may be older than what the recheck is about, which does
		 * not know of these domains. */
		submit(atrn);
	else if (!ask_reconciler(atrn))
		finish(atrn);
}

static void
finish(struct atrn *atrn)
{
	struct client *cl = atrn->request.client;

	request_over(&atrn->request);
	cl->who.linger = atrn->request.who.linger;
	if (atrn->request.result == STORE_NONE && atrn->refused == NULL)
		client_dismiss(cl, STANDING_LOST);
	else if (atrn->request.result == STORE_OK && atrn->count > 0 &&
	    (atrn->held > 0 || cl->who.linger > 0)) {
		turn_begin(cl, atrn->wanted, atrn->count);
		atrn->wanted = NULL;
	} else {
		refuse(cl, atrn);
		client_continue(cl, CLIENT_KNOWN);
	}
	atrn_free(atrn);
}

void
atrn_command(struct client *cl, char *args)
{
	struct atrn *atrn = request_new(cl, sizeof(*atrn), work, done);

	if (atrn != NULL && (atrn->list = strdup(args)) == NULL) {
		atrn_free(atrn);
		atrn = NULL;
	}
	if (atrn == NULL) {
		client_reply(cl, "451 4.3.0 Out of memory");
		return;
	}
	submit(atrn);
}
