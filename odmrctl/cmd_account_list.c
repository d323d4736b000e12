/* SPDX-License-Identifier: ISC */
/*
 * odmrctl account list and show: the accounts, but nothing of their secrets.
 */
#include <string.h>
#include <sysexits.h>

#include "list.h"
#include "odmrctl.h"
#include "table.h"
#include "workarounds.h"

enum { LOGIN_WIDTH = 36 };

/* What the visitors of accounts need; `result` is of the queries inside. */
struct listing {
	struct store *store;
	FILE *out;
	struct json *json;
	enum store_result result;
};

static void
count_name(const char *name, void *arg)
{
	(void)name;
	++*(int *)arg;
}

static void
visit_grants(struct listing *listing, const struct account *account,
    name_visit *visit, void *arg)
{
	if (store_grants(listing->store, account->id, visit, arg) != STORE_OK)
		listing->result = STORE_FAILED;
}

static void
print_row(const struct account *account, void *arg)
{
	struct listing *listing = arg;
	FILE *out = listing->out;
	int domains = 0;

	visit_grants(listing, account, count_name, &domains);
	table_name(out, account->login, LOGIN_WIDTH);
	fprintf(out, " %-8s %-8s %10ld %8d\n",
	    account->disabled ? "disabled" : "enabled",
	    account->password != NULL ? "yes" : "no", account->linger, domains);
}

static void
json_grant(const char *name, void *arg)
{
	json_add(arg, json_text(name));
}

static void
json_row(const struct account *account, void *arg)
{
	struct listing *listing = arg;
	json_t *row = json_object(), *domains = json_array(),
	       *workarounds = json_array();

	json_set_text(row, "login", account->login);
	json_set_bool(row, "disabled", account->disabled);
	json_set_bool(row, "cram_md5", account->password != NULL);
	json_set_int(row, "linger", account->linger);
	json_set_time(row, "created", account->created);
	visit_grants(listing, account, json_grant, domains);
	json_set(row, "domains", domains);
	if (workarounds_json(listing->store, account->id, "", workarounds) !=
	    STORE_OK)
		listing->result = STORE_FAILED;
	json_set(row, "workarounds", workarounds);
	json_put(listing->json, NULL, row);
}

int
cmd_account_list(struct context *ctx, const struct arguments *args)
{
	struct json json;
	struct listing listing = { ctx->store, ctx->out, &json, STORE_OK };
	void *rows = list_begin(ctx, args, &json, "accounts",
	    "%-*s %-8s %-8s %10s %8s\n", LOGIN_WIDTH, "LOGIN", "STATE",
	    "CRAM-MD5", "LINGER", "DOMAINS");

	if (store_account_each(ctx->store, args->json ? json_row : print_row,
		&listing) != STORE_OK)
		return complain_store(ctx);
	return list_end(ctx, rows, listing.result);
}

static void
print_grant(const char *name, void *arg)
{
	fprintf(arg, "domain    %s\n", name);
}

static void
print_account(const struct account *account, void *arg)
{
	struct listing *listing = arg;
	FILE *out = listing->out;
	char created[TABLE_TIME_SIZE];

	fprintf(out, "login     %s\n", account->login);
	fprintf(
	    out, "state     %s\n", account->disabled ? "disabled" : "enabled");
	fprintf(out, "cram-md5  %s\n",
	    account->password != NULL ? "yes (password kept readable)" : "no");
	fprintf(out, "linger    %ld s\n", account->linger);
	fprintf(out, "created   %s\n", table_time(account->created, created));
	visit_grants(listing, account, print_grant, out);
	if (workarounds_print(listing->store, account->id, "", out) != STORE_OK)
		listing->result = STORE_FAILED;
}

int
cmd_account_show(struct context *ctx, const struct arguments *args)
{
	struct json json = { .out = ctx->out };
	struct listing listing = { ctx->store, ctx->out, &json, STORE_OK };
	const char *login = args->operands[0];
	enum store_result result = store_account_get(
	    ctx->store, login, args->json ? json_row : print_account, &listing);

	if (result != STORE_OK)
		return account_code(ctx, login, result);
	if (listing.result != STORE_OK)
		return complain_store(ctx);
	if (args->json)
		putc('\n', ctx->out);
	return EX_OK;
}
