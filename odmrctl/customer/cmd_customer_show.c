/* SPDX-License-Identifier: ISC */
/*
 * odmrctl customer show: what waits for a customer, and what it was told, but
 * for its password. With --json the keys are an interface, see odmrctl(8).
 */
#include <sysexits.h>

#include "customer.h"
#include "odmrctl/json.h"
#include "odmrctl/table.h"

enum { NAME_WIDTH = 36 };

static void
show_table(struct context *ctx, const struct customer *customer)
{
	char held[TABLE_CELL_SIZE], size[TABLE_CELL_SIZE],
	    oldest[TABLE_CELL_SIZE], last[TABLE_CELL_SIZE];

	fprintf(ctx->out, "%-*s %-6s %7s %5s %7s %9s\n", NAME_WIDTH, "DOMAIN",
	    "MODE", "HELD", "SIZE", "OLDEST", "COLLECTED");
	for (size_t i = 0; i < customer->count; i++) {
		const struct customer_domain *domain = &customer->domains[i];

		table_name(ctx->out, domain->name, NAME_WIDTH);
		fprintf(ctx->out, " %-6s %7s %5s %7s %9s\n",
		    domain_mode_name(domain->mode),
		    table_count(domain->held, 7, held),
		    table_size(domain->bytes, size),
		    table_age(domain->oldest, oldest),
		    table_age(domain->last_collected, last));
	}
	putc('\n', ctx->out);
	if (customer->disabled)
		fprintf(ctx->out, "state     disabled\n");
	handover(ctx->out, &ctx->conf, customer);
}

static json_t *
json_domain(const struct customer_domain *domain)
{
	json_t *row = json_object();

	json_set_text(row, "domain", domain->name);
	json_set_text(row, "mode", domain_mode_name(domain->mode));
	json_set_int(row, "held", domain->held);
	json_set_int(row, "bytes", domain->bytes);
	json_set_time(row, "oldest", domain->oldest);
	json_set_time(row, "last_collected", domain->last_collected);
	return row;
}

static void
set_port(json_t *object, const char *key, const char *list)
{
	unsigned port = handover_port(list);

	if (port != 0)
		json_set_int(object, key, port);
	else
		json_set(object, key, json_null());
}

static void
show_json(struct context *ctx, const struct customer *customer)
{
	json_t *object = json_object(), *domains = json_array();
	struct json json = { .out = ctx->out };

	json_set_text(object, "login", customer->login);
	json_set_bool(object, "disabled", customer->disabled);
	json_set_bool(object, "cram_md5", customer->cram_md5);
	json_set_text(object, "server", ctx->conf.myhostname);
	set_port(object, "port", ctx->conf.listen);
	set_port(object, "tls_port", ctx->conf.listen_tls);
	for (size_t i = 0; i < customer->count; i++)
		json_add(domains, json_domain(&customer->domains[i]));
	json_set(object, "domains", domains);
	json_put(&json, NULL, object);
	putc('\n', ctx->out);
}

int
cmd_customer_show(struct context *ctx, const struct arguments *args)
{
	struct customer customer = { 0 };
	int code = customer_load(ctx, args->operands[0], &customer);

	if (code == EX_OK && args->json)
		show_json(ctx, &customer);
	else if (code == EX_OK)
		show_table(ctx, &customer);
	customer_free(&customer);
	return code;
}
