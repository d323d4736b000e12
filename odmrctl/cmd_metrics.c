/* SPDX-License-Identifier: ISC */
/*
 * odmrctl metrics: the service in figures, for the textfile collector of
 * Prometheus' node exporter. The names are an interface, see odmrctl(8).
 *
 * A metric's samples stand together, so the database is asked once for each.
 * Times are those at which something happened: who reads them knows how old the
 * file is.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "exposition.h"
#include "odmrctl.h"
#include "lib/process.h"
#include "sessions.h"
#include "lib/store/store_reconcile.h"

/* A figure of each of our domains. */
struct domain_metric {
	const char *name, *help;
	size_t offset;     /* in struct domain_status */
	bool zero_is_none; /* 0: no sample */
};

#define FIGURE(field) offsetof(struct domain_status, field)

static const struct domain_metric domain_metrics[] = {
	{ "odmr_held_messages", "Messages held for the domain.", FIGURE(held),
	    false },
	{ "odmr_held_bytes", "Size of the messages held for the domain.",
	    FIGURE(bytes), false },
	{ "odmr_held_oldest_timestamp_seconds",
	    "When the oldest message held arrived; none if none is held.",
	    FIGURE(oldest), true },
	{ "odmr_on_hold_messages",
	    "Messages, of those held, that are on hold in the queue.",
	    FIGURE(on_hold), false },
	{ "odmr_collected_timestamp_seconds",
	    "When the domain's mail was last collected; none if never.",
	    FIGURE(last_collected), true },
};

/* Two counters of each domain: odmr_WHAT_messages_total, and _bytes_. */
struct total_metric {
	const char *what;
	const char *help; /* behind "Messages " */
	size_t offset;    /* in struct domain_total */
};

#define TOTAL(field) offsetof(struct domain_total, field)

static const struct total_metric total_metrics[] = {
	{ "received", "that came in", TOTAL(received) },
	{ "delivered", "delivered to at least one of their recipients",
	    TOTAL(delivered) },
	{ "refused", "refused for good", TOTAL(refused) },
	{ "expired", "returned because they were too old", TOTAL(expired) },
	{ "left", "that left the queue in another way", TOTAL(left) },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- what the system tells ---------------------------------------------- */

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

/* ---- of each domain ---------------------------------------------------- */

struct printer {
	FILE *out;
	const struct domain_metric *metric;
	const struct total_metric *total;
	const char *name;
	bool bytes;
};

static void
print_status(const struct domain_status *status, void *arg)
{
	const struct printer *printer = arg;
	int64_t value;

	memcpy(&value, (const char *)status + printer->metric->offset,
	    sizeof(value));
	if (value != 0 || !printer->metric->zero_is_none)
		exposition_sample_two(printer->out, printer->metric->name,
		    "domain", status->domain.name, "mode",
		    domain_mode_name(status->domain.mode), value);
}

/* No sample of what a domain never had. */
static void
print_total(const struct domain_total *total, void *arg)
{
	const struct printer *printer = arg;
	struct amount amount;

	memcpy(&amount, (const char *)total + printer->total->offset,
	    sizeof(amount));
	if (amount.messages > 0)
		exposition_sample_one(printer->out, printer->name, "domain",
		    total->domain,
		    printer->bytes ? amount.bytes : amount.messages);
}

static bool
print_totals(struct context *ctx, const struct total_metric *metric, bool bytes)
{
	struct printer printer = {
		.out = ctx->out, .total = metric, .bytes = bytes
	};
	char name[64], help[128];

	snprintf(name, sizeof(name), "odmr_%s_%s_total", metric->what,
	    bytes ? "bytes" : "messages");
	snprintf(help, sizeof(help), "%s %s.",
	    bytes ? "Size of messages" : "Messages", metric->help);
	printer.name = name;
	exposition_metric(ctx->out, name, METRIC_COUNTER, help);
	return store_total_each(ctx->store, print_total, &printer) == STORE_OK;
}

static bool
print_domains(struct context *ctx)
{
	struct printer printer = { .out = ctx->out };

	for (size_t i = 0; i < COUNT(domain_metrics); i++) {
		printer.metric = &domain_metrics[i];
		exposition_metric(ctx->out, printer.metric->name, METRIC_GAUGE,
		    printer.metric->help);
		if (store_status_each(ctx->store, print_status, &printer) !=
		    STORE_OK)
			return false;
	}
	for (size_t i = 0; i < COUNT(total_metrics); i++)
		if (!print_totals(ctx, &total_metrics[i], false) ||
		    !print_totals(ctx, &total_metrics[i], true))
			return false;
	return true;
}

/* ---- of the service ------------------------------------------------------ */

static void
print_single(FILE *out, const char *name, enum metric_type type,
    const char *help, int64_t value)
{
	exposition_metric(out, name, type, help);
	exposition_sample(out, name, value);
}

static void
count_session(const struct session_row *session, void *arg)
{
	int64_t *sessions = arg;

	*sessions += session_is_alive(session);
}

static bool
print_sessions(struct context *ctx)
{
	int64_t live = 0, ended, seconds;

	if (store_session_each(ctx->store, count_session, &live) != STORE_OK ||
	    store_total_sessions(ctx->store, &ended, &seconds) != STORE_OK)
		return false;
	print_single(ctx->out, "odmr_sessions_live", METRIC_GAUGE,
	    "Sessions in which mail is being collected.", live);
	print_single(ctx->out, "odmr_sessions_total", METRIC_COUNTER,
	    "Sessions that have ended.", ended);
	print_single(ctx->out, "odmr_session_seconds_total", METRIC_COUNTER,
	    "Time that the sessions that have ended took.", seconds);
	return true;
}

static void
count_account(const struct account *account, void *arg)
{
	int64_t *accounts = arg;

	accounts[account->disabled]++;
}

static bool
print_accounts(struct context *ctx)
{
	static const char name[] = "odmr_accounts";
	int64_t accounts[2] = { 0 };

	if (store_account_each(ctx->store, count_account, accounts) != STORE_OK)
		return false;
	exposition_metric(ctx->out, name, METRIC_GAUGE, "Accounts.");
	exposition_sample_one(ctx->out, name, "state", "enabled", accounts[0]);
	exposition_sample_one(ctx->out, name, "state", "disabled", accounts[1]);
	return true;
}

static bool
print_reconciled(struct context *ctx)
{
	int64_t began;

	if (store_reconciled(ctx->store, &began) != STORE_OK)
		return false;
	print_single(ctx->out, "odmr_reconciled_timestamp_seconds",
	    METRIC_GAUGE,
	    "When the tags were last compared with the queue; 0 if never.",
	    began);
	return true;
}

static void
print_system(FILE *out, const struct conf *conf)
{
	static const char size[] = "odmr_database_size_bytes", up[] = "odmr_up";

	exposition_metric(
	    out, size, METRIC_GAUGE, "Size of the database with its journal.");
	exposition_sample(out, size, size_of(conf->database));
	exposition_metric(out, up, METRIC_GAUGE, "Whether the daemon runs.");
	exposition_sample_one(out, up, "daemon", "odmrd",
	    process_of_file(conf->pid_file, "odmrd") != 0);
	exposition_sample_one(out, up, "daemon", "odmr-milter",
	    process_of_file(conf->milter_pid_file, "odmr-milter") != 0);
}

int
cmd_metrics(struct context *ctx, const struct arguments *args)
{
	(void)args; /* main.c writes to the file of --output */
	if (!print_domains(ctx) || !print_sessions(ctx) ||
	    !print_accounts(ctx) || !print_reconciled(ctx))
		return complain_store(ctx);
	print_system(ctx->out, &ctx->conf);
	return EX_OK;
}
