/* SPDX-License-Identifier: ISC */
/*
 * etrn-trigger --policy: Postfix asks whether a client may have a node's mail
 * started (smtpd_etrn_restrictions), and after an OK starts the mail of a node
 * that is a domain itself. What a node means besides, domains below it or those
 * of a queue's name, is started here, after the answer. Where a domain is on
 * hold odmrd is asked to dial, before the answer: it may be away.
 *
 * The connection to Postfix is standard input and output. It brings one request
 * after the other. Whatever is wrong with a request or a database, the answer
 * is not OK; and never DUNNO, which would leave the decision to others.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "lib/fingerprint.h"
#include "lib/log.h"
#include "lib/network.h"
#include "lib/streams.h"
#include "lib/tags/node.h"
#include "release.h"
#include "request.h"
#include "trigger.h"

#define OK         "OK"
#define REFUSED    "459 4.7.1 Unknown, or not yours to start"
#define UNABLE     "458 4.3.0 Unable to queue messages"
#define BAD_SYNTAX "501 5.5.4 The node "

enum { ACTION_SIZE = 256 };

struct policy {
	const struct trigger *trigger;
	struct request request;
	/* of the request that is answered */
	struct etrn_client client;
	char login[REQUEST_LINE_SIZE];
	struct node node;
	char action[ACTION_SIZE];
	struct domain_count *due; /* the domains to start */
	size_t due_count;
};

static const char *
value_of(const struct policy *policy, enum request_value value)
{
	return policy->request.values[value];
}

/* ---- the log ----------------------------------------------------------- */

/* "ETRN NODE client=ADDRESS login=LOGIN"; what has been parsed has no need of
 * escapes. */
static const char *
question(const struct policy *policy, char out[4 * LOG_WORD_SIZE])
{
	const struct etrn_client *client = &policy->client;
	char node[LOG_WORD_SIZE], login[LOG_WORD_SIZE];

	snprintf(out, (size_t)4 * LOG_WORD_SIZE, "ETRN %s client=%s login=%s",
	    policy->node.text[0] != '\0'
		? policy->node.text
		: log_word(value_of(policy, REQUEST_NODE), node),
	    client->address != NULL ? client->address : "unknown",
	    client->login != NULL ? log_word(client->login, login) : "-");
	return out;
}

static void
refuse(struct policy *policy, const char *action, const char *why)
{
	char text[4 * LOG_WORD_SIZE];

	log_warning(NULL, "refused: %s: %s", question(policy, text), why);
	snprintf(policy->action, sizeof(policy->action), "%s", action);
}

static void
fail(struct policy *policy, const char *fault)
{
	char text[4 * LOG_WORD_SIZE];

	log_error(NULL, "%s: %s", question(policy, text), fault);
	snprintf(policy->action, sizeof(policy->action), "%s", UNABLE);
}

static void
fail_store(struct policy *policy)
{
	fail(policy, store_error(policy->trigger->store));
}

static void
allow(struct policy *policy, const char *but)
{
	char text[4 * LOG_WORD_SIZE];

	log_info(NULL, "%s domains=%zu: allowed%s", question(policy, text),
	    policy->node.count, but);
	snprintf(policy->action, sizeof(policy->action), "%s", OK);
}

/* ---- who asks ---------------------------------------------------------- */

static void
take_login(const char *login, void *arg)
{
	snprintf(arg, REQUEST_LINE_SIZE, "%s", login);
}

static void
take_account(const struct account *account, void *arg)
{
	if (!account->disabled)
		*(int64_t *)arg = account->id;
}

/* A registered certificate is an account: its login counts, and its grants. */
static enum store_result
find_account(struct policy *policy)
{
	struct store *store = policy->trigger->store;
	char fingerprint[FINGERPRINT_SIZE];
	enum store_result result;

	if (!fingerprint_parse(
		value_of(policy, REQUEST_FINGERPRINT), fingerprint))
		return STORE_NONE;
	result =
	    store_cert_login(store, fingerprint, take_login, policy->login);
	if (result == STORE_OK)
		result = store_account_get(store, policy->login, take_account,
		    &policy->client.account);
	if (result == STORE_OK && policy->client.account == 0)
		return STORE_NONE;
	return result;
}

/* Postfix's own logins are nobody's account here, whatever they are called:
 * they have what "login:" permissions give. */
static bool
identify(struct policy *policy)
{
	const char *address = value_of(policy, REQUEST_ADDRESS);
	const char *login = value_of(policy, REQUEST_LOGIN);

	policy->client = (struct etrn_client) {
		.address = strcmp(address, "unknown") == 0 ? NULL : address,
		.login = login[0] == '\0' ? NULL : login,
	};
	switch (find_account(policy)) {
	case STORE_OK:
		policy->client.login = policy->login;
		return true;
	case STORE_FAILED:
		fail_store(policy);
		return false;
	default:
		return true;
	}
}

/* ---- the decision ------------------------------------------------------ */

/* A zone behind it ("%eth0") is no more than one word of the log. */
static bool
is_address(const char *text)
{
	struct network network;

	return strcmp(text, "unknown") == 0 ||
	    (network_of_address(text, &network) && strpbrk(text, " =") == NULL);
}

static bool
parse_node(struct policy *policy)
{
	char action[ACTION_SIZE];
	const char *why;

	if (node_parse(&policy->node, value_of(policy, REQUEST_NODE), &why))
		return true;
	policy->node.text[0] = '\0';
	snprintf(action, sizeof(action), BAD_SYNTAX "%s", why);
	refuse(policy, action, why);
	return false;
}

/* After the OK Postfix starts the node's mail itself. */
static bool
is_postfix_s(const struct node *node)
{
	return node->count == 1 &&
	    strcmp(node->text, node->domains[0].name) == 0;
}

/* Of those that Postfix delivers by itself. */
static enum store_result
add_due(struct policy *policy, const struct node_domain *domain, time_t now)
{
	const struct trigger *trigger = policy->trigger;
	long interval = trigger->conf.etrn_min_interval;
	enum store_result result = STORE_OK;

	if (domain->mode != MODE_BACKUP)
		return STORE_NONE;
	if (interval > 0)
		result = store_etrn_last(
		    trigger->store, domain->name, now, interval);
	if (result == STORE_OK)
		strcpy(policy->due[policy->due_count++].name, domain->name);
	return result;
}

static enum store_result
add_all_due(struct policy *policy)
{
	struct store *store = policy->trigger->store;
	const struct node *node = &policy->node;
	enum store_result result = store_begin(store);
	time_t now = time(NULL);

	for (size_t i = 0; i < node->count && result != STORE_FAILED; i++)
		result = add_due(policy, &node->domains[i], now);
	if (result != STORE_FAILED)
		result = store_commit(store);
	else
		store_rollback(store);
	return result;
}

static void
find_due(struct policy *policy)
{
	const struct node *node = &policy->node;
	int dialled = release_dial(&policy->trigger->conf, node);

	if (dialled < 0) {
		fail(policy, "nothing is dialled");
		return;
	}
	if (is_postfix_s(node)) {
		allow(policy, "");
		return;
	}
	policy->due = calloc(node->count, sizeof(policy->due[0]));
	if (policy->due == NULL)
		fail(policy, "out of memory");
	else if (add_all_due(policy) == STORE_FAILED)
		fail_store(policy);
	else
		allow(policy,
		    dialled > 0 || policy->due_count > 0
			? ""
			: ", nothing to start again");
}

static void
decide(struct policy *policy)
{
	struct request *request = &policy->request;

	if (request->fault == NULL &&
	    !is_address(value_of(policy, REQUEST_ADDRESS)))
		request->fault = "a client_address that is none";
	if (request->fault != NULL) {
		log_warning(NULL, "refused: a request with %s", request->fault);
		strcpy(policy->action, UNABLE);
		return;
	}
	if (!identify(policy) || !parse_node(policy))
		return;
	switch (
	    node_find(&policy->node, policy->trigger->store, &policy->client)) {
	case STORE_OK:
		find_due(policy);
		break;
	case STORE_NONE:
		refuse(policy, REFUSED, "not allowed");
		break;
	default:
		if (policy->node.out_of_memory)
			fail(policy, "out of memory");
		else
			fail_store(policy);
	}
}

/* ---- the work ---------------------------------------------------------- */

static void
start_due(const struct policy *policy)
{
	const struct conf *conf = &policy->trigger->conf;
	int64_t messages = 0;

	if (policy->due_count == 0 ||
	    !release_count(conf, policy->due, policy->due_count))
		return;
	release_all(conf, policy->due, policy->due_count);
	for (size_t i = 0; i < policy->due_count; i++)
		if (policy->due[i].started)
			messages += policy->due[i].messages;
	log_info(NULL, "ETRN %s: %" PRId64 " messages started",
	    policy->node.text, messages);
}

/* ---- the connection ---------------------------------------------------- */

/* An allowed client may be gone before it is answered. It has asked. */
static bool
answer(struct policy *policy)
{
	bool ok;

	decide(policy);
	printf("action=%s\n\n", policy->action);
	ok = streams_flush();
	if (strcmp(policy->action, OK) == 0)
		start_due(policy);
	free(policy->due);
	policy->due = NULL;
	policy->due_count = 0;
	policy->client = (struct etrn_client) { 0 };
	node_free(&policy->node);
	request_clear(&policy->request);
	return ok;
}

static int
serve(struct policy *policy)
{
	int byte;

	while ((byte = getchar()) != EOF)
		if (request_read(&policy->request, (char)byte) &&
		    !answer(policy))
			return EX_IOERR;
	if (ferror(stdin)) {
		log_error(NULL, "standard input: %s", strerror(errno));
		return EX_IOERR;
	}
	if (!policy->request.begun)
		return EX_OK;
	log_warning(NULL, "the connection ended within a request");
	return EX_PROTOCOL;
}

int
trigger_policy(struct trigger *trigger, const struct arguments *args)
{
	struct policy *policy = calloc(1, sizeof(*policy));
	int code;

	(void)args;
	if (policy == NULL) {
		log_error(NULL, "out of memory");
		return EX_OSERR;
	}
	policy->trigger = trigger;
	code = serve(policy);
	free(policy);
	return code;
}
