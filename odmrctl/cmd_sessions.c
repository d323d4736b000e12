/* SPDX-License-Identifier: ISC */
/*
 * odmrctl sessions: who collects right now, how fast, who is about to, and how
 * to end it.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib/daemon.h"
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
	json_t *row;

	if (!session_is_alive(session))
		return;
	row = json_object();
	json_set_text(row, "id", session->id);
	json_set_text(row, "account",
	    session->account[0] != '\0' ? session->account : NULL);
	json_set_text(row, "client", session->client);
	json_set_lines(row, "domains", session->domains);
	json_set_text(row, "state", session->state);
	json_set_int(row, "delivered", session->delivered);
	json_set_int(row, "bytes", session->bytes);
	json_set_time(row, "since", session->since);
	json_set_int(row, "refused", session->refused);
	json_set_int(row, "kept", session->kept);
	json_set_int(row, "in_flight", session->in_flight);
	json_set_int(row, "rate", session->rate);
	json_set_int(row, "held", session->held);
	json_set_time(row, "noted", session->noted);
	json_put(arg, NULL, row);
}

/* ---- what odmrd tells ---------------------------------------------------- */

struct told {
	session_visit *visit;
	void *arg;
	int64_t strangers;
};

/* See odmrd/control.h. */
static void
take_line(const char *line, void *arg)
{
	struct told *told = arg;
	char id[32], state[32], client[64], login[DOMAIN_SIZE];
	struct session_row session = { .id = id,
		.pid = (long)getpid(),
		.state = state,
		.client = client,
		.account = login,
		.domains = "",
		.noted = time(NULL) };

	if (sscanf(line, "session %31s %31s %" SCNd64 " %63s %253s", id, state,
		&session.since, client, login) == 5)
		told->visit(&session, told->arg);
	else
		sscanf(line, "strangers %" SCNd64, &told->strangers);
}

/* First those that have turned the line. That odmrd does not answer is said,
 * and the rest is shown. */
static int
each_session(
    struct context *ctx, session_visit *visit, void *arg, int64_t *strangers)
{
	struct told told = { visit, arg, 0 };
	char fault[DAEMON_FAULT_SIZE];

	if (store_session_each(ctx->store, visit, arg) != STORE_OK)
		return complain_store(ctx);
	if (daemon_ask(&ctx->conf, "sessions", take_line, &told, fault) ==
	    DAEMON_SILENT) {
		told.strangers = -1;
		complain(EX_OK,
		    "who has logged in and does not collect yet is not shown: "
		    "odmrd does not tell: %s: %s",
		    ctx->conf.control_socket, fault);
	}
	if (strangers != NULL)
		*strangers = told.strangers;
	return EX_OK;
}

int
sessions_json(struct context *ctx, struct json *json, int64_t *strangers)
{
	json_list(json, "sessions");
	return each_session(ctx, json_row, json, strangers);
}

/* ---- the table ----------------------------------------------------------- */

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
	table_name(out, session->state, STATE_WIDTH);
	fprintf(out, " %7s %9s %5s %9s %6s %7s\n",
	    table_age(session->since, age),
	    table_count(session->delivered, 9, delivered),
	    table_size(session->bytes, size),
	    table_count(session->in_flight, 9, in_flight),
	    table_count(session->rate, 6, rate),
	    table_count(session->held, 7, held));
	fprintf(out, "    ");
	if (session->account[0] != '\0') {
		table_text(out, session->account);
		fprintf(out, " from ");
	} else
		fprintf(out, "dialled ");
	table_text(out, session->client);
	putc('\n', out);
	table_lines(out, session->domains, "    ");
}

int
sessions_table(struct context *ctx, const char *before, int64_t *strangers)
{
	struct table table = { .out = ctx->out, .before = before };

	return each_session(ctx, print_row, &table, strangers);
}

/* ---- the commands -------------------------------------------------------- */

static int
show_json(struct context *ctx)
{
	struct json json;
	int64_t strangers = -1;
	int code;

	json_begin(&json, ctx->out);
	code = sessions_json(ctx, &json, &strangers);
	json_put(&json, "strangers",
	    strangers >= 0 ? json_integer(strangers) : json_null());
	json_end(&json);
	return code;
}

int
cmd_sessions(struct context *ctx, const struct arguments *args)
{
	int64_t strangers = 0;
	int code;

	if (args->json)
		return show_json(ctx);
	code = sessions_table(ctx, "", &strangers);
	if (strangers > 0)
		fprintf(ctx->out,
		    "connections that have not logged in: %" PRId64 "\n",
		    strangers);
	return code;
}

static void
take_ended(const char *line, void *arg)
{
	(void)line;
	*(bool *)arg = true;
}

/* What it has in flight is answered first, so it is not gone at once. An id is
 * one word, or nobody has it. */
int
cmd_sessions_end(struct context *ctx, const struct arguments *args)
{
	const char *id = args->operands[0];
	char command[64] = "end ", fault[DAEMON_FAULT_SIZE];
	enum daemon_answer answer = DAEMON_AWAY;
	bool ended = false;

	if (strpbrk(id, " \r\n") == NULL &&
	    strlcat(command, id, sizeof(command)) < sizeof(command))
		answer =
		    daemon_ask(&ctx->conf, command, take_ended, &ended, fault);
	if (answer == DAEMON_SILENT)
		return complain(EX_UNAVAILABLE,
		    "session %s: cannot tell odmrd: %s: %s", id,
		    ctx->conf.control_socket, fault);
	if (!ended)
		return complain(EX_NOUSER, "no such session: %s", id);
	fprintf(ctx->out, "%s: odmrd ends it\n", id);
	return EX_OK;
}
