/* SPDX-License-Identifier: ISC */
/*
 * odmrctl account cert: the client certificates by which accounts may
 * authenticate (AUTH EXTERNAL). What counts is the fingerprint alone, not who
 * signed the certificate or until when it is valid.
 */
#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "fingerprint.h"
#include "odmrctl.h"
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

static void
copy_id(const struct account *account, void *arg)
{
	*(int64_t *)arg = account->id;
}

static int
take_account_id(struct context *ctx, const char *login, int64_t *id)
{
	switch (store_account_get(ctx->store, login, copy_id, id)) {
	case STORE_OK:
		return EX_OK;
	case STORE_NONE:
		return complain(EX_NOUSER, "no such account: %s", login);
	default:
		return complain_store(ctx);
	}
}

/* The operands LOGIN and FINGERPRINT|FILE of both changes. */
static int
take_operands(struct context *ctx, const struct arguments *args, int64_t *id,
    char fingerprint[FINGERPRINT_SIZE])
{
	int code = take_fingerprint(args->operands[1], fingerprint);

	return code == EX_OK ? take_account_id(ctx, args->operands[0], id)
			     : code;
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
	int64_t id = 0;
	int code = take_operands(ctx, args, &id, fingerprint);

	if (code != EX_OK)
		return code;
	switch (store_cert_add(ctx->store, id, fingerprint)) {
	case STORE_OK:
		fprintf(ctx->out, "%s: certificate %s\n", args->operands[0],
		    fingerprint);
		return EX_OK;
	case STORE_EXISTS:
		store_cert_login(
		    ctx->store, fingerprint, complain_taken, fingerprint);
		return EX_DATAERR;
	case STORE_NONE:
		return complain(
		    EX_NOUSER, "no such account: %s", args->operands[0]);
	default:
		return complain_store(ctx);
	}
}

int
cmd_cert_remove(struct context *ctx, const struct arguments *args)
{
	char fingerprint[FINGERPRINT_SIZE];
	int64_t id = 0;
	int code = take_operands(ctx, args, &id, fingerprint);

	if (code != EX_OK)
		return code;
	switch (store_cert_remove(ctx->store, id, fingerprint)) {
	case STORE_OK:
		return EX_OK;
	case STORE_NONE:
		return complain(EX_DATAERR, "%s does not have certificate %s",
		    args->operands[0], fingerprint);
	default:
		return complain_store(ctx);
	}
}

struct listing {
	FILE *out;
	const char *login; /* NULL: of every account */
};

static void
print_cert(const struct cert *cert, void *arg)
{
	const struct listing *listing = arg;
	char created[TABLE_TIME_SIZE];

	if (listing->login != NULL && strcmp(listing->login, cert->login) != 0)
		return;
	table_name(listing->out, cert->login, LOGIN_WIDTH);
	fprintf(listing->out, " %s\n", table_time(cert->created, created));
	fprintf(listing->out, "    %s\n", cert->fingerprint);
}

int
cmd_cert_list(struct context *ctx, const struct arguments *args)
{
	struct listing listing = {
		.out = ctx->out,
		.login = args->count > 0 ? args->operands[0] : NULL,
	};
	int64_t id;
	int code = EX_OK;

	if (listing.login != NULL)
		code = take_account_id(ctx, listing.login, &id);
	if (code != EX_OK)
		return code;
	fprintf(ctx->out, "%-*s %s\n    %s\n", LOGIN_WIDTH, "LOGIN",
	    "REGISTERED", "FINGERPRINT (SHA-256)");
	if (store_cert_each(ctx->store, print_cert, &listing) != STORE_OK)
		return complain_store(ctx);
	return EX_OK;
}
