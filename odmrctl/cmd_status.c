/* SPDX-License-Identifier: ISC */
/*
 * odmrctl status and queue: what waits, for whom, and who collects right now.
 * With --json the keys are an interface, see odmrctl(8).
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sysexits.h>

#include "json.h"
#include "odmrctl.h"
#include "table.h"

enum { NAME_WIDTH = 28 };

/* A session whose odmrd was killed has nobody left to take it off the list. */
static bool
is_alive(const struct session_row *session)
{
	return kill((pid_t)session->pid, 0) == 0 || errno != ESRCH;
}

static void
json_domain(const struct domain_status *status, void *arg)
{
	struct json *json = arg;

	json_open(json, NULL, '{');
	json_text(json, "domain", status->domain.name);
	json_text(json, "mode", domain_mode_name(status->domain.mode));
	json_int(json, "held", status->held);
	json_int(json, "bytes", status->bytes);
	json_time(json, "oldest", status->oldest);
	json_time(json, "last_collected", status->last_collected);
	json_int(json, "delivered", status->delivered);
	json_close(json, '}');
}

static void
json_session(const struct session_row *session, void *arg)
{
	struct json *json = arg;

	if (!is_alive(session))
		return;
	json_open(json, NULL, '{');
	json_text(json, "id", session->id);
	json_text(json, "account", session->account);
	json_text(json, "client", session->client);
	json_lines(json, "domains", session->domains);
	json_text(json, "state", session->state);
	json_int(json, "delivered", session->delivered);
	json_int(json, "bytes", session->bytes);
	json_time(json, "since", session->since);
	json_close(json, '}');
}

static int
status_json(struct context *ctx)
{
	struct json json = { .out = ctx->out };

	json_open(&json, NULL, '{');
	json_open(&json, "domains", '[');
	if (store_status_each(ctx->store, json_domain, &json) != STORE_OK)
		return complain_store(ctx);
	json_close(&json, ']');
	json_open(&json, "sessions", '[');
	if (store_session_each(ctx->store, json_session, &json) != STORE_OK)
		return complain_store(ctx);
	json_close(&json, ']');
	json_close(&json, '}');
	putc('\n', ctx->out);
	return EX_OK;
}

static void
print_domain(const struct domain_status *status, void *arg)
{
	char size[TABLE_CELL_SIZE], oldest[TABLE_CELL_SIZE],
	    last[TABLE_CELL_SIZE];
	FILE *out = arg;

	table_name(out, status->domain.name, NAME_WIDTH);
	fprintf(out, " %-6s %7" PRId64 " %5s %7s %9s %9" PRId64 "\n",
	    domain_mode_name(status->domain.mode), status->held,
	    table_size(status->bytes, size), table_age(status->oldest, oldest),
	    table_age(status->last_collected, last), status->delivered);
	if (status->doubted > 0)
		fprintf(out,
		    "    %" PRId64 " refused by the customer, kept for a "
		    "second opinion\n",
		    status->doubted);
}

struct sessions {
	FILE *out;
	bool any;
};

static void
print_session(const struct session_row *session, void *arg)
{
	struct sessions *sessions = arg;
	char size[TABLE_CELL_SIZE], age[TABLE_CELL_SIZE];
	FILE *out = sessions->out;

	if (!is_alive(session))
		return;
	if (!sessions->any)
		fprintf(out, "\n%-16s %-12s %9s %5s %7s  %s\n", "SESSION",
		    "STATE", "DELIVERED", "SIZE", "AGE", "ACCOUNT");
	sessions->any = true;
	table_name(out, session->id, 16);
	fprintf(out, " %-12s %9" PRId64 " %5s %7s  ", session->state,
	    session->delivered, table_size(session->bytes, size),
	    table_age(session->since, age));
	table_text(out, session->account);
	fprintf(out, "\n    from ");
	table_text(out, session->client);
	putc('\n', out);
	table_lines(out, session->domains, "    ");
}

static int
status_table(struct context *ctx)
{
	struct sessions sessions = { .out = ctx->out };

	fprintf(ctx->out, "%-*s %-6s %7s %5s %7s %9s %9s\n", NAME_WIDTH,
	    "DOMAIN", "MODE", "HELD", "SIZE", "OLDEST", "COLLECTED",
	    "DELIVERED");
	if (store_status_each(ctx->store, print_domain, ctx->out) != STORE_OK ||
	    store_session_each(ctx->store, print_session, &sessions) !=
		STORE_OK)
		return complain_store(ctx);
	return EX_OK;
}

int
cmd_status(struct context *ctx, const struct arguments *args)
{
	return args->json ? status_json(ctx) : status_table(ctx);
}

static void
json_message(const struct tag *tag, void *arg)
{
	struct json *json = arg;

	json_open(json, NULL, '{');
	json_text(json, "id", tag->queue_id);
	json_text(json, "domain", tag->domain);
	json_time(json, "arrived", tag->arrived);
	json_int(json, "size", tag->size);
	json_text(json, "sender", tag->sender);
	json_lines(json, "recipients", tag->recipients);
	json_text(json, "client", tag->client);
	json_int(json, "attempts", tag->attempts);
	json_text(json, "last_answer", tag->last_answer);
	json_time(json, "doubted", tag->doubted);
	json_close(json, '}');
}

static void
print_message(const struct tag *tag, void *arg)
{
	char age[TABLE_CELL_SIZE], size[TABLE_CELL_SIZE];
	FILE *out = arg;

	table_name(out, tag->queue_id, 16);
	fprintf(out, " %7s %5s %8ld  <", table_age(tag->arrived, age),
	    table_size(tag->size, size), tag->attempts);
	table_text(out, tag->sender);
	fprintf(out, ">\n");
	table_lines(out, tag->recipients, "    ");
	if (tag->last_answer != NULL) {
		fprintf(out, "    (");
		table_text(out, tag->last_answer);
		fprintf(out, ")\n");
	}
}

static int
queue_json(struct context *ctx, const char *domain)
{
	struct json json = { .out = ctx->out };

	json_open(&json, NULL, '{');
	json_open(&json, "messages", '[');
	if (store_tag_each(ctx->store, domain, json_message, &json) != STORE_OK)
		return complain_store(ctx);
	json_close(&json, ']');
	json_close(&json, '}');
	putc('\n', ctx->out);
	return EX_OK;
}

static int
queue_table(struct context *ctx, const char *domain)
{
	fprintf(ctx->out, "%-16s %7s %5s %8s  %s\n", "QUEUE ID", "AGE", "SIZE",
	    "ATTEMPTS", "SENDER, RECIPIENTS");
	if (store_tag_each(ctx->store, domain, print_message, ctx->out) !=
	    STORE_OK)
		return complain_store(ctx);
	return EX_OK;
}

int
cmd_queue(struct context *ctx, const struct arguments *args)
{
	char name[DOMAIN_SIZE], *domain = NULL;
	int code;

	if (args->count > 0) {
		code = take_known_domain(ctx, args->operands[0], name);
		if (code != EX_OK)
			return code;
		domain = name;
	}
	return args->json ? queue_json(ctx, domain) : queue_table(ctx, domain);
}
