/* SPDX-License-Identifier: ISC */
/*
 * etrn-trigger [-a ADDRESS] [-l LOGIN] NAME...: what an ETRN for each name
 * would do for this client, with the replies of RFC 1985 5.1 on standard
 * output. Without a client it is the operator who asks, who may start all.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"
#include "network.h"
#include "node.h"
#include "release.h"
#include "trigger.h"

static int
unable(const struct node *node)
{
	printf("458 Unable to queue messages for node %s\n", node->text);
	return EX_TEMPFAIL;
}

/* Starts what waits. */
static int
start(const struct trigger *trigger, const struct node *node,
    const struct waiting *waiting)
{
	int64_t messages = 0;
	bool ok = true;

	for (size_t i = 0; i < node->count; i++) {
		messages += waiting[i].messages;
		if (waiting[i].messages > 0 && !trigger->dry_run)
			ok &= release_domain(&trigger->conf, waiting[i].name);
	}
	if (!ok)
		return unable(node);
	if (messages == 0)
		printf("251 OK, no messages waiting for node %s\n", node->text);
	else
		printf("253 OK, %" PRId64 " pending messages for node %s %s\n",
		    messages, node->text,
		    trigger->dry_run ? "would be started" : "started");
	return EX_OK;
}

static int
start_node(const struct trigger *trigger, const struct node *node)
{
	struct waiting *waiting = calloc(node->count, sizeof(*waiting));
	int code;

	if (waiting == NULL) {
		log_error(NULL, "out of memory");
		return unable(node);
	}
	for (size_t i = 0; i < node->count; i++)
		strcpy(waiting[i].name, node->domains[i].name);
	code = release_count(&trigger->conf, waiting, node->count)
	    ? start(trigger, node, waiting)
	    : unable(node);
	free(waiting);
	return code;
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
		printf("459 Node %s not allowed: unknown, or not theirs to "
		       "start\n",
		    node.text);
		code = EX_NOPERM;
		break;
	default:
		log_error(NULL, "%s",
		    node.out_of_memory ? "out of memory"
				       : store_error(trigger->store));
		code = unable(&node);
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
