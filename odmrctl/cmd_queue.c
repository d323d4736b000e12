/* SPDX-License-Identifier: ISC */
/*
 * odmrctl queue: the messages that wait, or have waited.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "list.h"
#include "message.h"
#include "odmrctl.h"
#include "table.h"

enum { ID_WIDTH = 16, SENDER_WIDTH = 34, RECIPIENTS_SHOWN = 10 };

static const char held[] = "held";

/* Which messages: `state` NULL means all, `domain` NULL every domain's. */
struct selection {
	const char *domain;
	const char *state;
};

static int
take_state(const char *typed, const char **state)
{
	static const char *const states[] = { held, "delivered", "refused",
		"expired", "left" };

	*state = typed == NULL ? held : NULL;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (typed != NULL && strcmp(typed, states[i]) == 0)
			*state = states[i];
	if (*state != NULL || strcmp(typed, "all") == 0)
		return EX_OK;
	return complain(EX_USAGE,
	    "--state \"%s\" is no state: it must be held, delivered, refused, "
	    "expired, left or all",
	    typed);
}

static enum store_result
visit(struct store *store, const struct selection *selection, tag_visit *each,
    void *arg)
{
	if (selection->state == held)
		return store_tag_each(store, selection->domain, each, arg);
	return store_tag_history(
	    store, selection->domain, selection->state, each, arg);
}

/* The null sender too, as a bounce is known by it. */
static void
print_sender(FILE *out, const char *sender)
{
	if (strlen(sender) > SENDER_WIDTH)
		fprintf(out, "\n    ");
	putc('<', out);
	table_text(out, sender);
	fprintf(out, ">\n");
}

/* A message may have thousands; message and --json show all of them. */
static void
print_recipients(FILE *out, const struct tag *tag)
{
	const char *end = tag->recipients;
	char *first;

	for (int i = 0; i < RECIPIENTS_SHOWN && *end != '\0'; i++)
		end += strcspn(end, "\n") + (end[strcspn(end, "\n")] == '\n');
	first = strndup(tag->recipients, (size_t)(end - tag->recipients));
	if (first != NULL)
		table_lines(out, first, "    ");
	free(first);
	if (tag->recipient_count > RECIPIENTS_SHOWN)
		fprintf(out, "    and %ld more\n",
		    tag->recipient_count - RECIPIENTS_SHOWN);
}

static void
print_answer(FILE *out, const struct tag *tag)
{
	char when[TABLE_TIME_SIZE];

	if (tag->settled != 0)
		fprintf(out, "    %s %s\n", tag->state,
		    table_time(tag->settled, when));
	if (tag->faults > 0)
		fprintf(out, "    %ld sessions broke at it%s\n", tag->faults,
		    tag->apart ? ", set apart" : "");
	if (tag->on_hold)
		fprintf(out, "    on hold in the Postfix queue\n");
	if (tag->last_answer != NULL && tag->last_answer[0] != '\0')
		table_paragraph(out, tag->last_answer, "    | ");
}

static void
print_tag(const struct tag *tag, void *arg)
{
	char age[TABLE_CELL_SIZE], size[TABLE_CELL_SIZE],
	    attempts[TABLE_CELL_SIZE];
	FILE *out = arg;

	table_name(out, tag->queue_id, ID_WIDTH);
	fprintf(out, " %7s %5s %8s  ", table_age(tag->arrived, age),
	    table_size(tag->size, size),
	    table_count(tag->attempts, 8, attempts));
	print_sender(out, tag->sender);
	print_recipients(out, tag);
	print_answer(out, tag);
}

int
cmd_queue(struct context *ctx, const struct arguments *args)
{
	struct selection selection;
	char name[DOMAIN_SIZE];
	struct json json;
	void *rows;
	int code = take_state(args->state, &selection.state);

	if (code == EX_OK)
		code = take_domain_or_all(ctx, args, name, &selection.domain);
	if (code != EX_OK)
		return code;
	rows = list_begin(ctx, args, &json, "messages",
	    "%-*s %7s %5s %8s  %s\n", ID_WIDTH, "QUEUE ID", "AGE", "SIZE",
	    "ATTEMPTS", "SENDER, RECIPIENTS");
	return list_end(ctx, rows,
	    visit(ctx->store, &selection, args->json ? message_json : print_tag,
		rows));
}
