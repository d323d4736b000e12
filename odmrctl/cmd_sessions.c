/* SPDX-License-Identifier: ISC */
/*
 * odmrctl sessions: who collects right now, how fast, and how to end it. odmrd
 * writes its sessions into the database and looks there, after a signal, for
 * those that are to end; nothing else connects the two.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sysexits.h>

#include "list.h"
#include "odmrctl.h"
#include "process.h"
#include "sessions.h"
#include "table.h"

enum { ID_WIDTH = 16, STATE_WIDTH = 10 };

bool
session_is_alive(const struct session_row *session)
{
	return kill((pid_t)session->pid, 0) == 0 || errno != ESRCH;
}

static void
json_row(const struct session_row *session, void *arg)
{
	struct json *json = arg;

	if (!session_is_alive(session))
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
	json_int(json, "refused", session->refused);
	json_int(json, "kept", session->kept);
	json_int(json, "in_flight", session->in_flight);
	json_int(json, "rate", session->rate);
	json_int(json, "held", session->held);
	json_time(json, "noted", session->noted);
	json_bool(json, "ending", session->stopping);
	json_close(json, '}');
}

enum store_result
sessions_json(struct store *store, const char *of, struct json *json)
{
	(void)of;
	return store_session_each(store, json_row, json);
}

struct table {
	FILE *out;
	const char *before; /* NULL: it and the head stand already */
};

static void
print_head(struct table *table)
{
	fprintf(table->out, "%s%-*s %-*s %7s %9s %5s %9s %6s %7s\n",
	    table->before, ID_WIDTH, "SESSION", STATE_WIDTH, "STATE", "AGE",
	    "DELIVERED", "SIZE", "IN FLIGHT", "/MIN", "HELD");
	table->before = NULL;
}

static void
print_row(const struct session_row *session, void *arg)
{
	char age[TABLE_CELL_SIZE], delivered[TABLE_CELL_SIZE],
	    size[TABLE_CELL_SIZE], in_flight[TABLE_CELL_SIZE],
	    rate[TABLE_CELL_SIZE], held[TABLE_CELL_SIZE];
	struct table *table = arg;
	FILE *out = table->out;

	if (!session_is_alive(session))
		return;
	if (table->before != NULL)
		print_head(table);
	table_name(out, session->id, ID_WIDTH);
	putc(' ', out);
	table_name(
	    out, session->stopping ? "ending" : session->state, STATE_WIDTH);
	fprintf(out, " %7s %9s %5s %9s %6s %7s\n",
	    table_age(session->since, age),
	    table_count(session->delivered, 9, delivered),
	    table_size(session->bytes, size),
	    table_count(session->in_flight, 9, in_flight),
	    table_count(session->rate, 6, rate),
	    table_count(session->held, 7, held));
	fprintf(out, "    ");
	table_text(out, session->account);
	fprintf(out, " from ");
	table_text(out, session->client);
	putc('\n', out);
	table_lines(out, session->domains, "    ");
}

int
sessions_table(struct context *ctx, const char *before)
{
	struct table table = { .out = ctx->out, .before = before };

	if (store_session_each(ctx->store, print_row, &table) != STORE_OK)
		return complain_store(ctx);
	return EX_OK;
}

int
cmd_sessions(struct context *ctx, const struct arguments *args)
{
	if (args->json)
		return list_json(ctx, "sessions", sessions_json, NULL);
	return sessions_table(ctx, "");
}

static int
no_such_session(const char *id)
{
	return complain(EX_NOUSER, "no such session: %s", id);
}

/* What it has in flight is answered first, so it is not gone at once. */
int
cmd_sessions_end(struct context *ctx, const struct arguments *args)
{
	const char *id = args->operands[0];
	long pid = 0;

	switch (store_session_stop(ctx->store, id, &pid)) {
	case STORE_OK:
		break;
	case STORE_NONE:
		return no_such_session(id);
	default:
		return complain_store(ctx);
	}
	/* A signal would end any other process. */
	if (!process_runs(pid, "odmrd"))
		return no_such_session(id);
	if (kill((pid_t)pid, SIGUSR1) == -1)
		return complain(EX_NOPERM,
		    "session %s: cannot tell odmrd (pid %ld): %s", id, pid,
		    strerror(errno));
	fprintf(ctx->out, "%s: odmrd ends it\n", id);
	return EX_OK;
}
