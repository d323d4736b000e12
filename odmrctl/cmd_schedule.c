/* SPDX-License-Identifier: ISC */
/*
 * odmrctl schedule: when the mail of a domain is started by the clock, which
 * etrn-trigger --due does.
 */
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "lib/cron.h"
#include "list.h"
#include "odmrctl.h"
#include "table.h"

enum { NAME_WIDTH = 32, TIME_SIZE = 64, TIME_WIDTH = 22 };

static int
take_fields(const char *typed, struct cron *cron)
{
	char error[CRON_ERROR_SIZE];

	if (cron_parse(cron, typed, error))
		return EX_OK;
	return complain(EX_DATAERR, "schedule \"%.256s\": %s", typed, error);
}

static void
copy_mode(const struct domain *domain, void *arg)
{
	*(enum domain_mode *)arg = domain->mode;
}

int
cmd_schedule_add(struct context *ctx, const struct arguments *args)
{
	enum domain_mode mode = MODE_HOLD;
	char name[DOMAIN_SIZE];
	struct cron cron;
	int code = take_known_domain(ctx, args->operands[0], name);

	if (code == EX_OK)
		code = take_fields(args->operands[1], &cron);
	if (code != EX_OK)
		return code;
	if (store_domain_get(ctx->store, name, copy_mode, &mode) ==
	    STORE_FAILED)
		return complain_store(ctx);
	if (mode == MODE_ODMR)
		return complain(EX_DATAERR,
		    "%s has mode odmr: its customer collects the mail, there "
		    "is nothing to start",
		    name);
	switch (store_schedule_add(
	    ctx->store, &(struct schedule) { name, cron.text, time(NULL) })) {
	case STORE_OK:
		return EX_OK;
	case STORE_EXISTS:
		fprintf(ctx->out, "%s has the schedule \"%s\" already\n", name,
		    cron.text);
		return EX_OK;
	default:
		return complain_store(ctx);
	}
}

/* Without fields all of the domain. */
int
cmd_schedule_remove(struct context *ctx, const struct arguments *args)
{
	char name[DOMAIN_SIZE];
	const char *fields = NULL;
	struct cron cron;
	int code = take_known_domain(ctx, args->operands[0], name);

	if (code == EX_OK && args->count > 1) {
		code = take_fields(args->operands[1], &cron);
		fields = cron.text;
	}
	if (code != EX_OK)
		return code;
	switch (store_schedule_remove(ctx->store, name, fields)) {
	case STORE_OK:
		return EX_OK;
	case STORE_NONE:
		if (fields == NULL)
			return complain(EX_DATAERR, "%s has no schedule", name);
		return complain(
		    EX_DATAERR, "%s has no schedule \"%s\"", name, fields);
	default:
		return complain_store(ctx);
	}
}

/* 0: fields that somebody else has written. */
static time_t
next_run(const struct schedule *schedule)
{
	char error[CRON_ERROR_SIZE];
	struct cron cron;

	if (!cron_parse(&cron, schedule->fields, error))
		return 0;
	return cron_next(&cron, time(NULL));
}

static void
print_row(const struct schedule *schedule, void *arg)
{
	time_t next = next_run(schedule);
	char text[TIME_SIZE] = "-";
	FILE *out = arg;
	struct tm tm;

	if (next != 0 && localtime_r(&next, &tm) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M %Z", &tm);
	table_name(out, schedule->domain, NAME_WIDTH);
	fprintf(out, " %-*s ", TIME_WIDTH, text);
	table_text(out, schedule->fields);
	putc('\n', out);
}

static void
json_row(const struct schedule *schedule, void *arg)
{
	time_t next = next_run(schedule);
	struct json *json = arg;

	json_open(json, NULL, '{');
	json_text(json, "domain", schedule->domain);
	json_text(json, "fields", schedule->fields);
	json_time(json, "next", next);
	json_close(json, '}');
}

static enum store_result
json_rows(struct store *store, const char *domain, struct json *json)
{
	return store_schedule_each(store, domain, json_row, json);
}

static int
list_table(struct context *ctx, const char *domain)
{
	fprintf(ctx->out, "%-*s %-*s %s\n", NAME_WIDTH, "DOMAIN", TIME_WIDTH,
	    "NEXT RUN", "FIELDS");
	if (store_schedule_each(ctx->store, domain, print_row, ctx->out) !=
	    STORE_OK)
		return complain_store(ctx);
	return EX_OK;
}

int
cmd_schedule_list(struct context *ctx, const struct arguments *args)
{
	char name[DOMAIN_SIZE];
	const char *domain;
	int code = take_domain_or_all(ctx, args, name, &domain);

	if (code != EX_OK)
		return code;
	return args->json ? list_json(ctx, "schedules", json_rows, domain)
			  : list_table(ctx, domain);
}
