/* SPDX-License-Identifier: ISC */
/*
 * odmrctl queue-name: what an ETRN may name instead of a domain
 * (lib/tags/node.h). A name is there as long as it has a domain. It gives no
 * permission: who names the queue still starts those of its domains that it
 * might name itself.
 */
#include <string.h>
#include <sysexits.h>

#include "list.h"
#include "lib/tags/node.h"
#include "odmrctl.h"
#include "table.h"

enum { NAME_WIDTH = 36 };

/* EX_OK with the canonical form in `name`, else complains. */
static int
take_queue_name(const char *typed, char name[DOMAIN_SIZE])
{
	struct node node;
	const char *fault;

	if (!node_parse(&node, typed, &fault))
		return complain(
		    EX_DATAERR, "\"%s\" is no queue name: it %s", typed, fault);
	if (node.text[0] == '@')
		return complain(EX_DATAERR,
		    "\"%s\" is no queue name: it stands for a domain "
		    "and those below it",
		    typed);
	strlcpy(name, node.text + (node.text[0] == '#'), DOMAIN_SIZE);
	return EX_OK;
}

/* A domain of that name would hide it. */
static int
check_hidden(struct context *ctx, const char *name)
{
	switch (store_domain_get(ctx->store, name, NULL, NULL)) {
	case STORE_NONE:
		return EX_OK;
	case STORE_OK:
		return complain(EX_DATAERR,
		    "%s is a domain, so it cannot be a queue name", name);
	default:
		return complain_store(ctx);
	}
}

static int
add_domain(struct context *ctx, const char *name, const char *domain)
{
	enum store_result result =
	    store_queue_name_add(ctx->store, name, domain);

	if (result != STORE_EXISTS)
		return domain_code(ctx, domain, result);
	fprintf(ctx->out, "%s has %s already\n", name, domain);
	return EX_OK;
}

typedef int domain_change(
    struct context *ctx, const char *name, const char *domain);

/* The domains of the operands, all or none. */
static int
change_all(struct context *ctx, const struct arguments *args, const char *name,
    domain_change *change)
{
	char domain[DOMAIN_SIZE];
	int code = EX_OK;

	if (store_begin(ctx->store) != STORE_OK)
		return complain_store(ctx);
	for (int i = 1; code == EX_OK && i < args->count; i++) {
		code = take_domain(args->operands[i], domain);
		if (code == EX_OK)
			code = change(ctx, name, domain);
	}
	if (code != EX_OK)
		store_rollback(ctx->store);
	else if (store_commit(ctx->store) != STORE_OK)
		code = complain_store(ctx);
	return code;
}

int
cmd_queue_name_add(struct context *ctx, const struct arguments *args)
{
	char name[DOMAIN_SIZE], domain[DOMAIN_SIZE];
	int code = take_queue_name(args->operands[0], name);

	if (code == EX_OK)
		code = check_hidden(ctx, name);
	for (int i = 1; code == EX_OK && i < args->count; i++)
		code = take_known_domain(ctx, args->operands[i], domain);
	if (code == EX_OK)
		code = change_all(ctx, args, name, add_domain);
	return code == EX_OK ? table_update_etrn(ctx) : code;
}

struct search {
	const char *domain; /* NULL: any */
	bool found;
};

static void
search(const struct queue_name *row, void *arg)
{
	struct search *wanted = arg;

	wanted->found |=
	    wanted->domain == NULL || strcmp(wanted->domain, row->domain) == 0;
}

/* The name has the domain, or any if that is NULL; else complains. */
static int
check_known(struct context *ctx, const char *name, const char *domain)
{
	struct search wanted = { .domain = domain };

	if (store_queue_name_each(ctx->store, name, search, &wanted) !=
	    STORE_OK)
		return complain_store(ctx);
	if (wanted.found)
		return EX_OK;
	if (domain == NULL)
		return complain(EX_NOHOST, "no such queue name: %s", name);
	return complain(EX_DATAERR, "%s does not have %s", name, domain);
}

static int
remove_domain(struct context *ctx, const char *name, const char *domain)
{
	if (store_queue_name_remove(ctx->store, name, domain) == STORE_FAILED)
		return complain_store(ctx);
	return EX_OK;
}

/* A domain that is named twice is no error: all are looked for before the first
 * is removed. */
int
cmd_queue_name_remove(struct context *ctx, const struct arguments *args)
{
	char name[DOMAIN_SIZE], domain[DOMAIN_SIZE];
	int code = take_queue_name(args->operands[0], name);

	if (code == EX_OK)
		code = check_known(ctx, name, NULL);
	for (int i = 1; code == EX_OK && i < args->count; i++) {
		code = take_domain(args->operands[i], domain);
		if (code == EX_OK)
			code = check_known(ctx, name, domain);
	}
	if (code == EX_OK && args->count == 1)
		code = remove_domain(ctx, name, NULL);
	else if (code == EX_OK)
		code = change_all(ctx, args, name, remove_domain);
	return code == EX_OK ? table_update_etrn(ctx) : code;
}

static void
print_row(const struct queue_name *row, void *arg)
{
	FILE *out = arg;

	table_name(out, row->name, NAME_WIDTH);
	fprintf(out, " %s\n", row->domain);
}

static void
json_row(const struct queue_name *queue, void *arg)
{
	json_t *row = json_object();

	json_set_text(row, "name", queue->name);
	json_set_text(row, "domain", queue->domain);
	json_put(arg, NULL, row);
}

int
cmd_queue_name_list(struct context *ctx, const struct arguments *args)
{
	char canonical[DOMAIN_SIZE], *name = NULL;
	struct json json;
	void *rows;
	int code;

	if (args->count > 0) {
		code = take_queue_name(args->operands[0], canonical);
		if (code == EX_OK)
			code = check_known(ctx, canonical, NULL);
		if (code != EX_OK)
			return code;
		name = canonical;
	}
	rows = list_begin(ctx, args, &json, "queue_names", "%-*s %s\n",
	    NAME_WIDTH, "QUEUE NAME", "DOMAIN");
	return list_end(ctx, rows,
	    store_queue_name_each(
		ctx->store, name, args->json ? json_row : print_row, rows));
}
