/* SPDX-License-Identifier: ISC */
/*
 * odmrctl domain list and show.
 */
#include <inttypes.h>
#include <string.h>
#include <sysexits.h>

#include "list.h"
#include "odmrctl.h"
#include "table.h"
#include "workarounds.h"

enum { NAME_WIDTH = 36 };

static void
print_row(const struct domain *domain, void *arg)
{
	FILE *out = arg;

	table_name(out, domain->name, NAME_WIDTH);
	fprintf(out, " %-6s  %s\n", domain_mode_name(domain->mode),
	    domain->nexthop != NULL ? domain->nexthop : "-");
}

static json_t *
object_of(const struct domain *domain)
{
	struct spelling spelling = spelling_of(domain->name);
	json_t *object = json_object();

	json_set_text(object, "domain", domain->name);
	json_set_text(object, "unicode", spelling.unicode);
	spelling_free(&spelling);
	json_set_text(object, "mode", domain_mode_name(domain->mode));
	json_set_text(object, "nexthop", domain->nexthop);
	json_set_text(object, "socket", domain->socket);
	json_set_time(object, "created", domain->created);
	return object;
}

static void
json_row(const struct domain *domain, void *arg)
{
	json_put(arg, NULL, object_of(domain));
}

int
cmd_domain_list(struct context *ctx, const struct arguments *args)
{
	struct json json;
	void *rows = list_begin(ctx, args, &json, "domains", "%-*s %-6s  %s\n",
	    NAME_WIDTH, "DOMAIN", "MODE", "NEXT HOP");

	return list_end(ctx, rows,
	    store_domain_each(
		ctx->store, args->json ? json_row : print_row, rows));
}

static void
print_domain(const struct domain *domain, void *arg)
{
	struct spelling spelling = spelling_of(domain->name);
	char created[TABLE_TIME_SIZE];
	FILE *out = arg;

	fprintf(out, "domain    %s\n", domain->name);
	if (spelling.unicode != NULL)
		fprintf(out, "unicode   %s\n", spelling.unicode);
	spelling_free(&spelling);
	fprintf(out, "mode      %s\n", domain_mode_name(domain->mode));
	if (domain->mode != MODE_ODMR)
		fprintf(out, "next hop  %s\n",
		    domain->nexthop != NULL ? domain->nexthop : "by MX");
	else
		fprintf(out, "socket    %s\n", domain->socket);
	fprintf(out, "created   %s\n", table_time(domain->created, created));
}

static void
print_holder(const char *login, void *arg)
{
	fprintf(arg, "account   %s\n", login);
}

static int
show_table(struct context *ctx, const char *name, int64_t held)
{
	if (store_domain_get(ctx->store, name, print_domain, ctx->out) !=
	    STORE_OK)
		return complain_store(ctx);
	fprintf(ctx->out, "held      %" PRId64 "\n", held);
	if (store_grantees(ctx->store, name, print_holder, ctx->out) !=
		STORE_OK ||
	    workarounds_print(ctx->store, 0, name, ctx->out) != STORE_OK)
		return complain_store(ctx);
	return EX_OK;
}

static void
keep(const struct domain *domain, void *arg)
{
	*(json_t **)arg = object_of(domain);
}

static void
json_holder(const char *login, void *arg)
{
	json_add(arg, json_text(login));
}

static int
show_json(struct context *ctx, const char *name, int64_t held)
{
	json_t *shown = NULL, *accounts = json_array(),
	       *workarounds = json_array();
	struct json json = { .out = ctx->out };

	if (store_domain_get(ctx->store, name, keep, &shown) != STORE_OK ||
	    store_grantees(ctx->store, name, json_holder, accounts) !=
		STORE_OK ||
	    workarounds_json(ctx->store, 0, name, workarounds) != STORE_OK) {
		json_decref(shown);
		json_decref(accounts);
		json_decref(workarounds);
		return complain_store(ctx);
	}
	json_set_int(shown, "held", held);
	json_set(shown, "accounts", accounts);
	json_set(shown, "workarounds", workarounds);
	json_put(&json, NULL, shown);
	putc('\n', ctx->out);
	return EX_OK;
}

int
cmd_domain_show(struct context *ctx, const struct arguments *args)
{
	char name[DOMAIN_SIZE];
	int64_t held = 0;
	int code = take_known_domain(ctx, args->operands[0], name);

	if (code != EX_OK)
		return code;
	if (store_tag_count(ctx->store, name, NULL, &held) != STORE_OK)
		return complain_store(ctx);
	return args->json ? show_json(ctx, name, held)
			  : show_table(ctx, name, held);
}
