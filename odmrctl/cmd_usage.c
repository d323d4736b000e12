/* SPDX-License-Identifier: ISC */
/*
 * odmrctl usage: what the service was used for in a period. The table for
 * people has a line for each account with its domains below, as a bill would;
 * JSON and CSV have every day.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "csv.h"
#include "json.h"
#include "odmrctl.h"
#include "period.h"
#include "table.h"

enum { NAME_WIDTH = 20, INDENT = 2 };

static const char nobody[] = "(no account)";

/* ---- the table ---- */

struct bill {
	FILE *out;
	FILE *domains; /* the lines of the account's domains */
	char *text;    /* what is in there */
	size_t len;
	char *account; /* whose; NULL: none yet */
	struct usage sum;
	struct usage total;
};

static void
add_usage(struct usage *sum, const struct usage *usage)
{
	sum->messages += usage->messages;
	sum->bytes += usage->bytes;
	sum->delivered += usage->delivered;
	sum->delivered_bytes += usage->delivered_bytes;
	sum->refused += usage->refused;
	sum->expired += usage->expired;
	sum->left += usage->left;
	sum->sessions += usage->sessions;
	sum->seconds += usage->seconds;
}

/* No peak for sums: those of several domains were not at the same time. */
static void
print_figures(FILE *out, const struct usage *usage, bool peak)
{
	char in[TABLE_CELL_SIZE], size[TABLE_CELL_SIZE],
	    delivered[TABLE_CELL_SIZE], delivered_size[TABLE_CELL_SIZE],
	    refused[TABLE_CELL_SIZE], expired[TABLE_CELL_SIZE],
	    left[TABLE_CELL_SIZE], most[TABLE_CELL_SIZE] = "-";

	if (peak)
		table_count(usage->peak, 6, most);
	fprintf(out, " %7s %5s %9s %5s %7s %7s %6s %6s\n",
	    table_count(usage->messages, 7, in), table_size(usage->bytes, size),
	    table_count(usage->delivered, 9, delivered),
	    table_size(usage->delivered_bytes, delivered_size),
	    table_count(usage->refused, 7, refused),
	    table_count(usage->expired, 7, expired),
	    table_count(usage->left, 6, left), most);
}

static void
print_sum(FILE *out, const char *name, const struct usage *sum)
{
	table_name(out, name, NAME_WIDTH);
	print_figures(out, sum, false);
}

static void
print_sessions(FILE *out, const struct usage *sum)
{
	char sessions[TABLE_CELL_SIZE], time[TABLE_CELL_SIZE];

	if (sum->sessions > 0)
		fprintf(out, "%*s%s session%s, %s connected\n", INDENT, "",
		    table_count(sum->sessions, 9, sessions),
		    sum->sessions == 1 ? "" : "s",
		    table_duration(sum->seconds, time));
}

/* The account's sum stands over its domains, so these waited for it. */
static void
end_account(struct bill *bill)
{
	if (fclose(bill->domains) == EOF)
		err(EX_OSERR, "out of memory");
	print_sum(bill->out, bill->account[0] != '\0' ? bill->account : nobody,
	    &bill->sum);
	print_sessions(bill->out, &bill->sum);
	fwrite(bill->text, 1, bill->len, bill->out);
	free(bill->text);
	free(bill->account);
	bill->text = bill->account = NULL;
	bill->sum = (struct usage) { 0 };
}

static void
begin_account(struct bill *bill, const char *login)
{
	bill->account = strdup(login);
	bill->domains = open_memstream(&bill->text, &bill->len);
	if (bill->account == NULL || bill->domains == NULL)
		err(EX_OSERR, "out of memory");
}

static void
bill_row(const struct usage *usage, void *arg)
{
	struct bill *bill = arg;

	if (bill->account != NULL && strcmp(bill->account, usage->account) != 0)
		end_account(bill);
	if (bill->account == NULL)
		begin_account(bill, usage->account);
	add_usage(&bill->sum, usage);
	add_usage(&bill->total, usage);
	if (usage->domain[0] == '\0')
		return;
	fprintf(bill->domains, "%*s", INDENT, "");
	table_name(bill->domains, usage->domain, NAME_WIDTH - INDENT);
	print_figures(bill->domains, usage, true);
}

static int
usage_table(struct context *ctx, const struct period *period)
{
	struct bill bill = { .out = ctx->out };

	fprintf(ctx->out, "%s to %s\n\n%-*s %7s %5s %9s %5s %7s %7s %6s %6s\n",
	    period->from, period->to, NAME_WIDTH, "ACCOUNT", "IN", "SIZE",
	    "DELIVERED", "SIZE", "REFUSED", "EXPIRED", "LEFT", "PEAK");
	if (store_usage_period(ctx->store, period->from, period->to, bill_row,
		&bill) != STORE_OK)
		return complain_store(ctx);
	if (bill.account != NULL)
		end_account(&bill);
	print_sum(ctx->out, "total", &bill.total);
	print_sessions(ctx->out, &bill.total);
	return EX_OK;
}

/* ---- for programs ---- */

static const struct {
	const char *name;
	size_t field;
} figures[] = {
	{ "messages", offsetof(struct usage, messages) },
	{ "bytes", offsetof(struct usage, bytes) },
	{ "delivered", offsetof(struct usage, delivered) },
	{ "delivered_bytes", offsetof(struct usage, delivered_bytes) },
	{ "refused", offsetof(struct usage, refused) },
	{ "expired", offsetof(struct usage, expired) },
	{ "left", offsetof(struct usage, left) },
	{ "held_at_peak", offsetof(struct usage, peak) },
	{ "sessions", offsetof(struct usage, sessions) },
	{ "seconds", offsetof(struct usage, seconds) },
};

enum { FIGURES = sizeof(figures) / sizeof(figures[0]) };

static int64_t
figure(const struct usage *usage, int which)
{
	int64_t value;

	memcpy(
	    &value, (const char *)usage + figures[which].field, sizeof(value));
	return value;
}

static void
json_row(const struct usage *usage, void *arg)
{
	json_t *row = json_object();

	json_set_text(row, "day", usage->day);
	json_set_text(row, "account", usage->account);
	json_set_text(row, "domain", usage->domain);
	for (int i = 0; i < FIGURES; i++)
		json_set_int(row, figures[i].name, figure(usage, i));
	json_put(arg, NULL, row);
}

static int
usage_json(struct context *ctx, const struct period *period)
{
	struct json json;

	json_begin(&json, ctx->out);
	json_put(&json, "from", json_text(period->from));
	json_put(&json, "to", json_text(period->to));
	json_list(&json, "usage");
	if (store_usage_days(ctx->store, period->from, period->to, json_row,
		&json) != STORE_OK)
		return complain_store(ctx);
	json_end(&json);
	return EX_OK;
}

static void
csv_row(const struct usage *usage, void *arg)
{
	struct csv *csv = arg;

	csv_text(csv, usage->day);
	csv_text(csv, usage->account);
	csv_text(csv, usage->domain);
	for (int i = 0; i < FIGURES; i++)
		csv_int(csv, figure(usage, i));
	csv_end(csv);
}

static int
usage_csv(struct context *ctx, const struct period *period)
{
	struct csv csv = { .out = ctx->out };

	csv_text(&csv, "day");
	csv_text(&csv, "account");
	csv_text(&csv, "domain");
	for (int i = 0; i < FIGURES; i++)
		csv_text(&csv, figures[i].name);
	csv_end(&csv);
	if (store_usage_days(ctx->store, period->from, period->to, csv_row,
		&csv) != STORE_OK)
		return complain_store(ctx);
	return EX_OK;
}

int
cmd_usage(struct context *ctx, const struct arguments *args)
{
	struct period period;
	int code = period_take(args, &period);

	if (code == EX_OK && args->json && args->csv)
		return complain(EX_USAGE, "--json and --csv: only one of them");
	if (code != EX_OK)
		return code;
	if (args->json)
		return usage_json(ctx, &period);
	return args->csv ? usage_csv(ctx, &period) : usage_table(ctx, &period);
}
