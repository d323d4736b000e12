/* SPDX-License-Identifier: ISC */
/*
 * odmrctl status: what waits, for whom, and who collects right now. With
 * --json the keys are an interface, see odmrctl(8).
 */
#include <inttypes.h>
#include <sysexits.h>

#include "list.h"
#include "odmrctl.h"
#include "sessions.h"
#include "table.h"

enum { NAME_WIDTH = 28 };

static void
json_domain(const struct domain_status *status, void *arg)
{
	json_t *row = json_object();

	json_set_text(row, "domain", status->domain.name);
	json_set_text(row, "mode", domain_mode_name(status->domain.mode));
	json_set_int(row, "held", status->held);
	json_set_int(row, "bytes", status->bytes);
	json_set_time(row, "oldest", status->oldest);
	json_set_time(row, "last_collected", status->last_collected);
	json_set_int(row, "delivered", status->delivered);
	json_set_int(row, "doubted", status->doubted);
	json_set_int(row, "set_apart", status->apart);
	json_set_int(row, "on_hold", status->on_hold);
	json_put(arg, NULL, row);
}

static int
status_json(struct context *ctx)
{
	struct json json;
	int code;

	json_begin(&json, ctx->out);
	json_list(&json, "domains");
	if (store_status_each(ctx->store, json_domain, &json) != STORE_OK)
		return complain_store(ctx);
	code = sessions_json(ctx, &json, NULL);
	json_end(&json);
	return code;
}

static void
print_domain(const struct domain_status *status, void *arg)
{
	char held[TABLE_CELL_SIZE], size[TABLE_CELL_SIZE],
	    oldest[TABLE_CELL_SIZE], last[TABLE_CELL_SIZE],
	    delivered[TABLE_CELL_SIZE];
	FILE *out = arg;

	table_name(out, status->domain.name, NAME_WIDTH);
	fprintf(out, " %-6s %7s %5s %7s %9s %9s\n",
	    domain_mode_name(status->domain.mode),
	    table_count(status->held, 7, held), table_size(status->bytes, size),
	    table_age(status->oldest, oldest),
	    table_age(status->last_collected, last),
	    table_count(status->delivered, 9, delivered));
	if (status->doubted > 0)
		fprintf(out,
		    "    %" PRId64 " refused by the customer, kept for a "
		    "second opinion\n",
		    status->doubted);
	if (status->apart > 0)
		fprintf(out,
		    "    %" PRId64 " set apart: sessions broke at them\n",
		    status->apart);
	if (status->on_hold > 0)
		fprintf(out,
		    "    %" PRId64 " on hold in the Postfix queue, until "
		    "\"postsuper -H\"\n",
		    status->on_hold);
}

static int
status_table(struct context *ctx)
{
	fprintf(ctx->out, "%-*s %-6s %7s %5s %7s %9s %9s\n", NAME_WIDTH,
	    "DOMAIN", "MODE", "HELD", "SIZE", "OLDEST", "COLLECTED",
	    "DELIVERED");
	if (store_status_each(ctx->store, print_domain, ctx->out) != STORE_OK)
		return complain_store(ctx);
	return sessions_table(ctx, "\n", NULL);
}

int
cmd_status(struct context *ctx, const struct arguments *args)
{
	return args->json ? status_json(ctx) : status_table(ctx);
}
