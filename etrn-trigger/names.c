/* SPDX-License-Identifier: ISC */
/*
 * etrn-trigger [-a ADDRESS] [-l LOGIN] NAME...: what an ETRN for each name
 * would do for this client, with the replies of RFC 1985 5.1 on standard
 * output, one a name. Without a client it is the operator who asks, who may
 * start all.
 *
 * As on port 366 (odmrd/client/etrn.h), the tags tell what waits of what odmrd
 * carries; mail in mode odmr is left alone, for only a customer who collects it
 * by ATRN can have it; in mode hold odmrd is asked to dial. In mode backup
 * Postfix's queue tells what waits. If it does not, what the tags tell is
 * started, and the number is not told.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/log.h"
#include "lib/network.h"
#include "lib/tags/node.h"
#include "release.h"
#include "trigger.h"

/* What waits for a node. */
struct backlog {
	struct domain_count *domains; /* that Postfix delivers by itself */
	size_t count;
	bool known;      /* the queue told their numbers; else they are the
			    tags' */
	int64_t queued;  /* messages for them */
	int64_t dialled; /* for the domains in mode hold */
	int64_t held;    /* for the domains in mode odmr */
};

static int
unable(const struct node *node, int code)
{
	printf("458 Unable to queue messages for node %s\n", node->text);
	return code;
}

static void
list_domains(struct backlog *backlog, const struct node *node)
{
	struct domain_count *waiting = backlog->domains;

	for (size_t i = 0; i < node->count; i++) {
		if (node->domains[i].mode != MODE_BACKUP)
			continue;
		strcpy(waiting->name, node->domains[i].name);
		waiting++->messages = node->domains[i].held;
	}
	backlog->count = (size_t)(waiting - backlog->domains);
}

/* False: out of memory. */
static bool
count(struct backlog *backlog, const struct trigger *trigger,
    const struct node *node)
{
	*backlog = (struct backlog) {
		.domains = calloc(node->count, sizeof(backlog->domains[0])),
	};
	if (backlog->domains == NULL) {
		log_error(NULL, "out of memory");
		return false;
	}
	list_domains(backlog, node);
	backlog->known = backlog->count == 0 ||
	    release_count(&trigger->conf, backlog->domains, backlog->count);
	if (!backlog->known)
		list_domains(backlog, node);
	for (size_t i = 0; i < backlog->count; i++)
		backlog->queued += backlog->known
		    ? backlog->domains[i].only
		    : backlog->domains[i].messages;
	for (size_t i = 0; i < node->count; i++)
		if (node->domains[i].mode == MODE_ODMR)
			backlog->held += node->domains[i].held;
		else if (node->domains[i].mode == MODE_HOLD)
			backlog->dialled += node->domains[i].held;
	return true;
}

/* The exit status. */
static int
start(const struct trigger *trigger, const struct backlog *backlog,
    const struct node *node)
{
	int code = EX_OK;

	release_all(&trigger->conf, backlog->domains, backlog->count);
	for (size_t i = 0; i < backlog->count; i++)
		if (backlog->domains[i].messages > 0 &&
		    !backlog->domains[i].started)
			code = EX_TEMPFAIL;
	return release_dial(&trigger->conf, node) == -1 ? EX_UNAVAILABLE : code;
}

/* The texts are those of RFC 1985 5.1, as far as they are true. */
static void
say(const struct backlog *backlog, const char *node, const char *started)
{
	int64_t queued = backlog->queued + backlog->dialled;
	int64_t held = backlog->held;

	if (!backlog->known && held + backlog->dialled > 0)
		printf(
		    "252 OK, pending messages for node %s %s", node, started);
	else if (!backlog->known)
		printf("250 OK, queuing for node %s %s", node, started);
	else if (queued > 0)
		printf("253 OK, %" PRId64 " pending messages for node %s %s",
		    queued, node, started);
	else if (held > 0)
		printf("253 OK, %" PRId64
		       " pending messages for node %s wait for ATRN",
		    held, node);
	else
		printf("251 OK, no messages waiting for node %s", node);
	if (held > 0 && (queued > 0 || !backlog->known))
		printf(", %" PRId64 " wait for ATRN", held);
	putchar('\n');
}

static void
show_domain(const char *name, bool known, int64_t messages, const char *fate)
{
	if (messages == 0)
		printf("\t%s: none waiting\n", name);
	else if (!known)
		printf("\t%s: %s\n", name, fate);
	else
		printf("\t%s: %" PRId64 " %s\n", name, messages, fate);
}

/* -n: a line for each domain. */
static void
show(const struct backlog *backlog, const struct node *node)
{
	const struct domain_count *waiting = backlog->domains;

	for (size_t i = 0; i < backlog->count; i++)
		show_domain(waiting[i].name, backlog->known,
		    waiting[i].messages, "would be started");
	for (size_t i = 0; i < node->count; i++)
		if (node->domains[i].mode != MODE_BACKUP)
			show_domain(node->domains[i].name, true,
			    node->domains[i].held,
			    node->domains[i].mode == MODE_ODMR
				? "wait for ATRN"
				: "would be started");
}

static int
start_node(const struct trigger *trigger, const struct node *node)
{
	struct backlog backlog;
	int code = EX_OK;

	/* An unknown queue without even a tag leaves nothing to start. */
	if (!count(&backlog, trigger, node) ||
	    (!backlog.known && backlog.queued + backlog.dialled == 0))
		code = EX_TEMPFAIL;
	else if (!trigger->dry_run)
		code = start(trigger, &backlog, node);
	if (code != EX_OK)
		unable(node, code);
	else
		say(&backlog, node->text,
		    trigger->dry_run ? "would be started" : "started");
	if (code == EX_OK && trigger->dry_run)
		show(&backlog, node);
	free(backlog.domains);
	return code;
}

/* To a client, foreign looks like unknown. */
static int
refuse(const struct node *node, bool is_operator)
{
	printf("459 Node %s not allowed: unknown%s\n", node->text,
	    is_operator ? "" : ", or not theirs to start");
	return is_operator ? EX_NOHOST : EX_NOPERM;
}

static int
take_name(const struct trigger *trigger, const char *name,
    const struct etrn_client *client)
{
	struct node node;
	const char *why;
	int code;

	if (!node_parse(&node, name, &why)) {
		printf("501 Syntax error in parameters: the node %s\n", why);
		return EX_DATAERR;
	}
	switch (node_find(&node, trigger->store, client)) {
	case STORE_OK:
		code = start_node(trigger, &node);
		break;
	case STORE_NONE:
		code = refuse(&node, client == NULL);
		break;
	default:
		log_error(NULL, "%s",
		    node.out_of_memory ? "out of memory"
				       : store_error(trigger->store));
		code = unable(&node, EX_TEMPFAIL);
		break;
	}
	node_free(&node);
	return code;
}

/* The exit status is that of the first name that failed. */
int
trigger_names(struct trigger *trigger, const struct arguments *args)
{
	const struct etrn_client client = {
		.address = args->address,
		.login = args->login,
	};
	bool is_operator = args->address == NULL && args->login == NULL;
	struct network network;
	int code = EX_OK, one;

	if (args->address != NULL &&
	    !network_of_address(args->address, &network)) {
		log_error(NULL, "-a %s: not an IP address", args->address);
		return EX_USAGE;
	}
	for (int i = 0; i < args->count; i++) {
		one = take_name(
		    trigger, args->names[i], is_operator ? NULL : &client);
		if (code == EX_OK)
			code = one;
	}
	return code;
}
