/* SPDX-License-Identifier: ISC */
/*
 * odmrctl account cert: the client certificates by which accounts may
 * authenticate (AUTH EXTERNAL). What counts is the fingerprint alone, not who
 * signed the certificate or until when it is valid.
 */
#include <string.h>
#include <sysexits.h>

#include "lib/fingerprint.h"
#include "list.h"
#include "odmrctl.h"
#include "rights.h"
#include "table.h"

enum { LOGIN_WIDTH = 36, FAULT_SIZE = 128 };

/* Reads a fingerprint, or the name of a file with the certificate. */
static int
take_fingerprint(const char *text, char out[FINGERPRINT_SIZE])
{
	char fault[FAULT_SIZE];

	if (fingerprint_parse(text, out) ||
	    fingerprint_of_file(text, out, fault, sizeof(fault)))
		return EX_OK;
	return complain(EX_DATAERR,
	    "\"%s\" is no SHA-256 fingerprint (64 hex digits), and as a file: "
	    "%s",
	    text, fault);
}

/* The operands LOGIN and FINGERPRINT|FILE of both changes. The file may be
 * root's. */
static int
take_operands(struct context *ctx, const struct arguments *args, int64_t *id,
    char fingerprint[FINGERPRINT_SIZE])
{
	int code = take_fingerprint(args->operands[1], fingerprint);

	if (code == EX_OK)
		code = rights_drop(&ctx->conf);
	return code == EX_OK ? take_account(ctx, args->operands[0], id) : code;
}

static void
complain_taken(const char *login, void *arg)
{
	complain(EX_DATAERR, "certificate %s is registered already, for %s",
	    (const char *)arg, login);
}

int
cmd_cert_add(struct context *ctx, const struct arguments *args)
{
	char fingerprint[FINGERPRINT_SIZE];
	enum store_result result;
	int64_t id = 0;
	int code = take_operands(ctx, args, &id, fingerprint);

	if (code != EX_OK)
		return code;
	result = store_cert_add(ctx->store, id, fingerprint);
	if (result == STORE_OK)
		fprintf(ctx->out, "%s: certificate %s\n", args->operands[0],
		    fingerprint);
	if (result != STORE_EXISTS)
		return account_code(ctx, args->operands[0], result);
	store_cert_login(ctx->store, fingerprint, complain_taken, fingerprint);
	return EX_DATAERR;
}

int
cmd_cert_remove(struct context *ctx, const struct arguments *args)
{
	char fingerprint[FINGERPRINT_SIZE];
	enum store_result result;
	int64_t id = 0;
	int code = take_operands(ctx, args, &id, fingerprint);

	if (code != EX_OK)
		return code;
	result = store_cert_remove(ctx->store, id, fingerprint);
	if (result == STORE_OK)
		return daemon_recheck(ctx);
	if (result != STORE_NONE)
		return complain_store(ctx);
	return complain(EX_DATAERR, "%s does not have certificate %s",
	    args->operands[0], fingerprint);
}

static void
print_row(const struct cert *cert, void *arg)
{
	char created[TABLE_TIME_SIZE];
	FILE *out = arg;

	table_name(out, cert->login, LOGIN_WIDTH);
	fprintf(out, " %s\n", table_time(cert->created, created));
	fprintf(out, "    %s\n", cert->fingerprint);
}

static void
json_row(const struct cert *cert, void *arg)
{
	json_t *row = json_object();

	json_set_text(row, "login", cert->login);
	json_set_text(row, "fingerprint", cert->fingerprint);
	json_set_time(row, "created", cert->created);
	json_put(arg, NULL, row);
}

int
cmd_cert_list(struct context *ctx, const struct arguments *args)
{
	const char *login = args->count > 0 ? args->operands[0] : NULL;
	struct json json;
	void *rows;
	int64_t id;
	int code = login != NULL ? take_account(ctx, login, &id) : EX_OK;

	if (code != EX_OK)
		return code;
	rows = list_begin(ctx, args, &json, "certificates", "%-*s %s\n    %s\n",
	    LOGIN_WIDTH, "LOGIN", "REGISTERED", "FINGERPRINT (SHA-256)");
	return list_end(ctx, rows,
	    store_cert_each(
		ctx->store, login, args->json ? json_row : print_row, rows));
}
