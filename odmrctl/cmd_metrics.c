/* SPDX-License-Identifier: ISC */
/*
 * odmrctl metrics: the service in figures, for the textfile collector of
 * Prometheus' node exporter. The names are an interface, see odmrctl(8).
 *
 * A metric's samples stand together, so the rows of the database are taken
 * into memory first and printed column by column. Times are those at which
 * something happened: who reads them knows how old the file is.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "exposition.h"
#include "odmrctl.h"

/* What is held for one of our domains. */
struct holding {
	char *domain;
	enum domain_mode mode;
	int64_t messages, bytes, oldest, collected;
};

/* What came and went of any domain, also of one that was removed. */
struct sum {
	char *domain;
	int64_t messages, delivered, delivered_bytes, refused, expired, left;
};

struct figures {
	struct holding *holdings;
	size_t holding_count, holding_room;
	struct sum *sums;
	size_t sum_count, sum_room;
	struct service_total service;
	int64_t sessions, enabled, disabled;
	bool short_of_memory;
};

/* A column of holdings or sums; 0 is no sample where it says so. */
struct column {
	const char *name, *help;
	enum metric_type type;
	size_t offset;
	bool zero_is_none;
};

#define HOLDING(field) offsetof(struct holding, field)
#define SUM(field)     offsetof(struct sum, field)

static const struct column holding_columns[] = {
	{ "odmr_held_messages", "Messages held for the domain.", METRIC_GAUGE,
	    HOLDING(messages), false },
	{ "odmr_held_bytes", "Size of the messages held for the domain.",
	    METRIC_GAUGE, HOLDING(bytes), false },
	{ "odmr_held_oldest_timestamp_seconds",
	    "When the oldest of them arrived; none if none is held.",
	    METRIC_GAUGE, HOLDING(oldest), true },
	{ "odmr_collected_timestamp_seconds",
	    "When the domain's mail was last collected; none if never.",
	    METRIC_GAUGE, HOLDING(collected), true },
};

static const struct column sum_columns[] = {
	{ "odmr_received_messages_total", "Messages that came in.",
	    METRIC_COUNTER, SUM(messages), false },
	{ "odmr_delivered_messages_total",
	    "Messages of which a recipient was delivered.", METRIC_COUNTER,
	    SUM(delivered), false },
	{ "odmr_delivered_bytes_total", "Size of the messages delivered.",
	    METRIC_COUNTER, SUM(delivered_bytes), false },
	{ "odmr_refused_messages_total", "Messages that were refused for good.",
	    METRIC_COUNTER, SUM(refused), false },
	{ "odmr_expired_messages_total",
	    "Messages that were returned to their senders.", METRIC_COUNTER,
	    SUM(expired), false },
	{ "odmr_left_messages_total",
	    "Messages that left the queue, nobody knows how.", METRIC_COUNTER,
	    SUM(left), false },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- reading --------------------------------------------------------- */

/* Room for one more row; NULL when out of memory. */
static void *
grow(void *rows, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return rows;
	*room = *room == 0 ? 64 : *room * 2;
	return reallocarray(rows, *room, size);
}

static void
take_holding(const struct domain_status *status, void *arg)
{
	struct figures *f = arg;
	struct holding *rows = grow(
	    f->holdings, f->holding_count, &f->holding_room, sizeof(*rows));
	char *domain = strdup(status->domain.name);

	if (rows != NULL)
		f->holdings = rows;
	if (rows == NULL || domain == NULL) {
		free(domain);
		f->short_of_memory = true;
		return;
	}
	rows[f->holding_count++] = (struct holding) {
		.domain = domain,
		.mode = status->domain.mode,
		.messages = status->held,
		.bytes = status->bytes,
		.oldest = status->oldest,
		.collected = status->last_collected,
	};
}

static void
take_sum(const struct domain_total *total, void *arg)
{
	struct figures *f = arg;
	struct sum *rows =
	    grow(f->sums, f->sum_count, &f->sum_room, sizeof(*rows));
	char *domain = strdup(total->domain);

	if (rows != NULL)
		f->sums = rows;
	if (rows == NULL || domain == NULL) {
		free(domain);
		f->short_of_memory = true;
		return;
	}
	rows[f->sum_count++] = (struct sum) {
		.domain = domain,
		.messages = total->messages,
		.delivered = total->delivered,
		.delivered_bytes = total->delivered_bytes,
		.refused = total->refused,
		.expired = total->expired,
		.left = total->left,
	};
}

/* A session whose odmrd was killed has nobody left to take it off the list. */
static void
count_session(const struct session_row *session, void *arg)
{
	struct figures *f = arg;

	f->sessions += kill((pid_t)session->pid, 0) == 0 || errno != ESRCH;
}

static void
count_account(const struct account *account, void *arg)
{
	struct figures *f = arg;

	f->enabled += !account->disabled;
	f->disabled += account->disabled;
}

static bool
read_figures(struct store *store, struct figures *f)
{
	return store_status_each(store, take_holding, f) == STORE_OK &&
	    store_total_each(store, take_sum, f) == STORE_OK &&
	    store_session_each(store, count_session, f) == STORE_OK &&
	    store_account_each(store, count_account, f) == STORE_OK &&
	    store_total_service(store, &f->service) == STORE_OK;
}

static void
free_figures(struct figures *f)
{
	for (size_t i = 0; i < f->holding_count; i++)
		free(f->holdings[i].domain);
	for (size_t i = 0; i < f->sum_count; i++)
		free(f->sums[i].domain);
	free(f->holdings);
	free(f->sums);
}

/* ---- what the system tells ---------------------------------------------- */

/* The process that the pid file names, if it still is that program: after a
 * crash the number may be another's. */
static bool
is_up(const char *pid_file, const char *program)
{
	char path[64], name[32] = "";
	FILE *in = fopen(pid_file, "r");
	long pid = 0;

	if (in == NULL)
		return false;
	if (fscanf(in, "%10ld", &pid) != 1)
		pid = 0;
	fclose(in);
	if (pid <= 0 || (kill((pid_t)pid, 0) == -1 && errno == ESRCH))
		return false;
	snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
	in = fopen(path, "r");
	if (in == NULL)
		return false;
	if (fscanf(in, "%31s", name) != 1)
		name[0] = '\0';
	fclose(in);
	return strcmp(name, program) == 0;
}

/* With its journal, which may be the larger part. */
static int64_t
size_of(const char *database)
{
	struct stat main = { 0 }, journal = { 0 };
	char *path;

	if (stat(database, &main) == -1)
		return 0;
	if (asprintf(&path, "%s-wal", database) == -1)
		return main.st_size;
	if (stat(path, &journal) == -1)
		journal.st_size = 0;
	free(path);
	return main.st_size + journal.st_size;
}

/* ---- printing --------------------------------------------------------- */

static int64_t
value_at(const void *row, const struct column *column)
{
	int64_t value;

	memcpy(&value, (const char *)row + column->offset, sizeof(value));
	return value;
}

static void
print_holdings(FILE *out, const struct figures *f, const struct column *column)
{
	exposition_metric(out, column->name, column->type, column->help);
	for (size_t i = 0; i < f->holding_count; i++) {
		const struct holding *row = &f->holdings[i];
		int64_t value = value_at(row, column);

		if (value != 0 || !column->zero_is_none)
			exposition_sample_two(out, column->name, "domain",
			    row->domain, "mode", domain_mode_name(row->mode),
			    value);
	}
}

static void
print_sums(FILE *out, const struct figures *f, const struct column *column)
{
	exposition_metric(out, column->name, column->type, column->help);
	for (size_t i = 0; i < f->sum_count; i++)
		exposition_sample(out, column->name, "domain",
		    f->sums[i].domain, value_at(&f->sums[i], column));
}

static void
print_single(FILE *out, const char *name, enum metric_type type,
    const char *help, int64_t value)
{
	exposition_metric(out, name, type, help);
	exposition_sample(out, name, NULL, NULL, value);
}

/* Of what has two of them. */
static void
print_pair(FILE *out, const char *name, const char *help, const char *label,
    const char *first, int64_t first_value, const char *second,
    int64_t second_value)
{
	exposition_metric(out, name, METRIC_GAUGE, help);
	exposition_sample(out, name, label, first, first_value);
	exposition_sample(out, name, label, second, second_value);
}

static void
print_service(FILE *out, const struct figures *f, const struct conf *conf)
{
	static const char state[] = "state";

	print_single(out, "odmr_sessions_live", METRIC_GAUGE,
	    "Sessions in which mail is being collected.", f->sessions);
	print_single(out, "odmr_sessions_total", METRIC_COUNTER,
	    "Sessions that have ended.", f->service.sessions);
	print_single(out, "odmr_session_seconds_total", METRIC_COUNTER,
	    "Time that the sessions that have ended took.", f->service.seconds);
	print_pair(out, "odmr_accounts", "Accounts.", state, "enabled",
	    f->enabled, "disabled", f->disabled);
	print_single(out, "odmr_reconciled_timestamp_seconds", METRIC_GAUGE,
	    "When the tags were last compared with the queue; 0 if never.",
	    f->service.reconciled);
	print_pair(out, "odmr_database_size_bytes",
	    "Size of the database with its journal.", "database", "relay",
	    size_of(conf->relay_database), state,
	    size_of(conf->state_database));
	print_pair(out, "odmr_up", "Whether the daemon runs.", "daemon",
	    "odmrd", is_up(conf->pid_file, "odmrd"), "odmr-milter",
	    is_up(conf->milter_pid_file, "odmr-milter"));
}

static void
print_figures(FILE *out, const struct figures *f, const struct conf *conf)
{
	for (size_t i = 0; i < COUNT(holding_columns); i++)
		print_holdings(out, f, &holding_columns[i]);
	for (size_t i = 0; i < COUNT(sum_columns); i++)
		print_sums(out, f, &sum_columns[i]);
	print_service(out, f, conf);
}

int
cmd_metrics(struct context *ctx, const struct arguments *args)
{
	struct figures figures = { 0 };
	int code = EX_OK;

	(void)args;
	if (!read_figures(ctx->store, &figures))
		code = complain_store(ctx);
	else if (figures.short_of_memory)
		code = complain(EX_OSERR, "out of memory");
	else
		print_figures(ctx->out, &figures, &ctx->conf);
	free_figures(&figures);
	return code;
}
