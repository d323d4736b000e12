/* SPDX-License-Identifier: ISC */
/*
 * odmrctl message, release and delete: what became of one message; and one of
 * the Postfix queue, shown before it is touched. The queue knows whether it is
 * there, the tags say for whom; where they disagree the operator is told.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "message.h"
#include "odmrctl.h"
#include "queue_file.h"
#include "lib/queue_id.h"
#include "rights.h"
#include "table.h"

static int
take_queue_id(const char *typed)
{
	if (queue_id_valid(typed))
		return EX_OK;
	return complain(EX_DATAERR, "\"%s\" is no queue id", typed);
}

/* ---- message ---- */

struct shown {
	FILE *out;
	struct json *json; /* NULL: a paragraph for each domain */
	int count;
};

static void
show(const struct tag *tag, void *arg)
{
	struct shown *shown = arg;

	if (shown->json != NULL) {
		message_json(tag, shown->json);
	} else {
		if (shown->count > 0)
			putc('\n', shown->out);
		message_print(tag, shown->out);
	}
	shown->count++;
}

static int
show_message(struct context *ctx, const char *id, struct json *json)
{
	struct shown shown = { .out = ctx->out, .json = json };

	if (store_tag_find(ctx->store, id, show, &shown) != STORE_OK)
		return complain_store(ctx);
	if (shown.count > 0)
		return EX_OK;
	return complain(EX_NOINPUT,
	    "message %s: nothing is known of it; \"odmrctl reconcile\" looks "
	    "into the queue",
	    id);
}

int
cmd_message(struct context *ctx, const struct arguments *args)
{
	struct json json;
	const char *id = args->operands[0];
	int code = take_queue_id(id);

	if (code != EX_OK || !args->json)
		return code != EX_OK ? code : show_message(ctx, id, NULL);
	json_begin(&json, ctx->out);
	json_list(&json, "messages");
	code = show_message(ctx, id, &json);
	json_end(&json);
	return code;
}

/* ---- what is known of it ---- */

struct known {
	FILE *out;
	int tags;
	int held;
	int collected; /* of those, in mode odmr */
	int dialled;   /* and in mode hold */
	struct store *store;
	bool failed;
};

static void
note_mode(const struct domain *domain, void *arg)
{
	struct known *known = arg;

	known->collected += domain->mode == MODE_ODMR;
	known->dialled += domain->mode == MODE_HOLD;
}

static void
note_tag(const struct tag *tag, void *arg)
{
	struct known *known = arg;

	if (known->tags++ > 0)
		putc('\n', known->out);
	message_print(tag, known->out);
	if (strcmp(tag->state, "held") != 0)
		return;
	known->held++;
	if (store_domain_get(known->store, tag->domain, note_mode, known) ==
	    STORE_FAILED)
		known->failed = true;
}

static int
show_tags(struct context *ctx, const char *id, struct known *known)
{
	*known = (struct known) { .out = ctx->out, .store = ctx->store };
	if (store_tag_find(ctx->store, id, note_tag, known) != STORE_OK ||
	    known->failed)
		return complain_store(ctx);
	if (known->tags == 0)
		fprintf(ctx->out, "message     %s\nhas no tag\n", id);
	return EX_OK;
}

/* Not there: the tags may say otherwise. */
static int
not_in_queue(const char *id, const struct known *known)
{
	if (known->held > 0)
		return complain(EX_NOINPUT,
		    "message %s is not in the Postfix queue, though its tag "
		    "is held: run \"odmrctl reconcile\"",
		    id);
	return complain(
	    EX_NOINPUT, "message %s is not in the Postfix queue", id);
}

/* Only root may look into the queue, and does it first, for then it gives that
 * up as `give_up` does; for others the tags must do, and `*envelope` is NULL.
 */
static int
look(struct context *ctx, const char *id, int (*give_up)(const struct conf *),
    struct known *known, char **envelope)
{
	int code, presence = EX_OK;

	*envelope = NULL;
	if (geteuid() == 0)
		presence = queue_file_envelope(ctx, id, envelope);
	if (presence != EX_OK && presence != EX_NOINPUT)
		return presence;
	code = give_up(&ctx->conf);
	if (code == EX_OK)
		code = show_tags(ctx, id, known);
	if (code == EX_OK &&
	    (presence != EX_OK || (*envelope == NULL && known->held == 0)))
		code = not_in_queue(id, known);
	return code;
}

/* ---- its queue file ---- */

typedef void recipient_visit(const char *address, size_t len, void *arg);

/* The recipients that the queue file still has; who is not root has not seen
 * it. */
static void
each_recipient(const char *envelope, recipient_visit *visit, void *arg)
{
	static const char record[] = "recipient: ";
	const char *line = envelope;
	size_t len;

	if (envelope == NULL)
		return;
	for (; *line != '\0'; line += len + (line[len] == '\n')) {
		len = strcspn(line, "\n");
		if (strncmp(line, record, strlen(record)) == 0)
			visit(line + strlen(record), len - strlen(record), arg);
	}
}

/* ---- release ---- */

static void
explain_release(FILE *out, const struct known *known)
{
	fprintf(out, "Postfix tries it now\n");
	if (known->collected > 0)
		fprintf(out,
		    "but what is for a domain in mode odmr waits until its "
		    "customer is connected\n");
	if (known->dialled > 0)
		fprintf(out,
		    "but what is for a domain in mode hold waits for ETRN\n");
}

int
cmd_release(struct context *ctx, const struct arguments *args)
{
	const char *id = args->operands[0];
	char *envelope = NULL;
	struct known known = { 0 };
	int code = take_queue_id(id);

	if (code == EX_OK)
		code = look(ctx, id, rights_drop, &known, &envelope);
	if (code == EX_OK)
		code = queue_file_release(ctx, id);
	if (code == EX_OK)
		explain_release(ctx->out, &known);
	free(envelope);
	return code;
}

/* ---- delete ---- */

/* The deletion takes them all, also those that no tag names because their
 * domain is not ours. */
static void
show_recipient(const char *address, size_t len, void *out)
{
	table_line(out, address, len, "            ");
}

static void
show_recipients(FILE *out, const char *envelope)
{
	fprintf(out, "\nto be deleted, for all of these recipients:\n");
	each_recipient(envelope, show_recipient, out);
}

static bool
confirmed(void)
{
	char answer[16];

	fprintf(stderr, "Delete it? [y/N] ");
	return fgets(answer, sizeof(answer), stdin) != NULL &&
	    (answer[0] == 'y' || answer[0] == 'Y');
}

static int
ask(struct context *ctx, const struct arguments *args)
{
	int code = say_now(ctx);

	if (code != EX_OK || args->yes || confirmed())
		return code;
	return complain(
	    EX_DATAERR, "message %s: not deleted", args->operands[0]);
}

/* The tag follows the queue; if it cannot, reconcile will see to it. */
static int
delete_message(struct context *ctx, const char *id, const struct known *known)
{
	int code;

	rights_take_up();
	code = queue_file_delete(ctx, id);
	if (code == EX_OK)
		code = rights_drop(&ctx->conf);
	if (code == EX_NOINPUT)
		return not_in_queue(id, known);
	if (code != EX_OK)
		return code;
	if (store_tag_leave(ctx->store, id, time(NULL),
		"deleted from the queue by the operator") == STORE_FAILED)
		return complain(EX_TEMPFAIL,
		    "message %s is deleted, but its tag is still held, run "
		    "\"odmrctl reconcile\": %s",
		    id, store_error(ctx->store));
	fprintf(ctx->out, "deleted\n");
	return EX_OK;
}

static int
check_delete(const struct arguments *args)
{
	if (geteuid() != 0)
		return complain(
		    EX_NOPERM, "only root may delete from the Postfix queue");
	if (!args->yes && isatty(STDIN_FILENO) == 0)
		return complain(EX_USAGE,
		    "delete asks before it deletes: without a terminal it "
		    "needs --yes");
	return EX_OK;
}

int
cmd_delete(struct context *ctx, const struct arguments *args)
{
	const char *id = args->operands[0];
	char *envelope = NULL;
	struct known known = { 0 };
	int code = take_queue_id(id);

	if (code == EX_OK)
		code = check_delete(args);
	if (code == EX_OK)
		code = look(ctx, id, rights_lay_off, &known, &envelope);
	if (code == EX_OK) {
		show_recipients(ctx->out, envelope);
		code = ask(ctx, args);
	}
	free(envelope);
	return code == EX_OK ? delete_message(ctx, id, &known) : code;
}
