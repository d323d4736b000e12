/* SPDX-License-Identifier: ISC */
/*
 * odmrctl account: the customers' logins and the domains that each may
 * collect. A secret is read from standard input and leaves this process only
 * for the database.
 */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "odmrctl.h"
#include "lib/secret.h"

enum { LOGIN_MAX = 64 };

/* A login may be a domain name of any length: some servers know no other. */
int
take_login(const char *login)
{
	char domain[DOMAIN_SIZE];
	const char *fault = NULL;
	size_t len = strlen(login);

	for (const char *s = login; fault == NULL && *s != '\0'; s++)
		if (!isascii(*s) || !isgraph(*s))
			fault = "has a character that is no printable ASCII";
	if (len == 0)
		fault = "is empty";
	else if (len > LOGIN_MAX && fault == NULL &&
	    !domain_canonical(login, len, domain, NULL))
		fault = "is longer than 64 octets and no domain name";
	if (fault != NULL)
		return complain(EX_DATAERR, "login \"%s\" %s", login, fault);
	return EX_OK;
}

int
account_code(struct context *ctx, const char *login, enum store_result result)
{
	switch (result) {
	case STORE_OK:
		return EX_OK;
	case STORE_NONE:
		return complain(EX_NOUSER, "no such account: %s", login);
	case STORE_EXISTS:
		return complain(
		    EX_DATAERR, "account exists already: %s", login);
	default:
		return complain_store(ctx);
	}
}

/* The same for a change that may take something from customers. */
static int
recheck_code(struct context *ctx, const char *login, enum store_result result)
{
	int code = account_code(ctx, login, result);

	return code == EX_OK ? daemon_recheck(ctx) : code;
}

static void
copy_id(const struct account *account, void *arg)
{
	*(int64_t *)arg = account->id;
}

int
take_account(struct context *ctx, const char *login, int64_t *id)
{
	return account_code(
	    ctx, login, store_account_get(ctx->store, login, copy_id, id));
}

static int
take_linger(const char *text, long *linger)
{
	const char *fault;

	*linger = 0;
	if (text == NULL)
		return EX_OK;
	*linger = (long)strtonum(text, 0, INT_MAX, &fault);
	if (fault != NULL)
		return complain(EX_USAGE,
		    "--linger \"%s\" is no number of seconds: %s", text, fault);
	return EX_OK;
}

struct secrets {
	const char *login;
	const char *password;
	char *verifier; /* NULL: cannot be */
};

static void
derive(const char *seed, void *arg)
{
	struct secrets *secrets = arg;

	secrets->verifier =
	    secret_verifier(seed, secrets->login, secrets->password);
}

int
derive_verifier(struct context *ctx, const char *login, const char *password,
    char **verifier)
{
	struct secrets secrets = { login, password, NULL };

	if (store_decoy_seed(ctx->store, derive, &secrets) != STORE_OK)
		return complain_store(ctx);
	*verifier = secrets.verifier;
	if (*verifier == NULL)
		return complain(EX_DATAERR,
		    "the password is no UTF-8, or has a character that "
		    "RFC 4013 prohibits");
	return EX_OK;
}

/* Reads a password and derives what is kept of it. */
static int
take_secrets(struct context *ctx, const char *login,
    char password[PASSWORD_SIZE], char **verifier)
{
	int code = password_read(password);

	return code == EX_OK ? derive_verifier(ctx, login, password, verifier)
			     : code;
}

void
wipe_secrets(char password[PASSWORD_SIZE], char *verifier)
{
	explicit_bzero(password, PASSWORD_SIZE);
	if (verifier != NULL)
		explicit_bzero(verifier, strlen(verifier));
	free(verifier);
}

int
cmd_account_add(struct context *ctx, const struct arguments *args)
{
	struct account account = { .login = args->operands[0] };
	char password[PASSWORD_SIZE], *verifier = NULL;
	int code = take_login(account.login);

	if (code == EX_OK)
		code = take_linger(args->linger, &account.linger);
	if (code == EX_OK)
		code = take_secrets(ctx, account.login, password, &verifier);
	if (code == EX_OK) {
		account.scram = verifier;
		account.password = args->cram_md5 ? password : NULL;
		code = account_code(ctx, account.login,
		    store_account_add(ctx->store, &account));
	}
	wipe_secrets(password, verifier);
	return code;
}

int
cmd_account_set(struct context *ctx, const struct arguments *args)
{
	const char *login = args->operands[0];
	long linger;
	int code;

	if (args->linger == NULL)
		return complain(EX_USAGE, "nothing to set: give --linger");
	code = take_linger(args->linger, &linger);
	if (code != EX_OK)
		return code;
	return recheck_code(
	    ctx, login, store_account_linger(ctx->store, login, linger));
}

/* Says what became of CRAM-MD5: a forgotten option would lock fetchmail
 * out. */
int
cmd_account_passwd(struct context *ctx, const struct arguments *args)
{
	const char *login = args->operands[0];
	char password[PASSWORD_SIZE], *verifier = NULL;
	int code = account_code(
	    ctx, login, store_account_get(ctx->store, login, NULL, NULL));

	if (code != EX_OK)
		return code;
	code = take_secrets(ctx, login, password, &verifier);
	if (code == EX_OK)
		code = account_code(ctx, login,
		    store_account_secret(ctx->store, login, verifier,
			args->cram_md5 ? password : NULL));
	wipe_secrets(password, verifier);
	if (code == EX_OK)
		fprintf(ctx->out, "%s: password changed, CRAM-MD5 is %s\n",
		    login,
		    args->cram_md5 ? "on" : "off (--cram-md5 allows it)");
	return code == EX_OK ? daemon_recheck(ctx) : code;
}

int
cmd_account_disable(struct context *ctx, const struct arguments *args)
{
	const char *login = args->operands[0];

	return recheck_code(
	    ctx, login, store_account_disable(ctx->store, login, true));
}

int
cmd_account_enable(struct context *ctx, const struct arguments *args)
{
	const char *login = args->operands[0];

	return account_code(
	    ctx, login, store_account_disable(ctx->store, login, false));
}

int
cmd_account_remove(struct context *ctx, const struct arguments *args)
{
	const char *login = args->operands[0];

	return recheck_code(
	    ctx, login, store_account_remove(ctx->store, login));
}

/* Is every domain one of ours? Complains about the first that is not. */
static int
check_domains(struct context *ctx, const struct arguments *args)
{
	char name[DOMAIN_SIZE];
	int code = EX_OK;

	for (int i = 1; code == EX_OK && i < args->count; i++)
		code = take_known_domain(ctx, args->operands[i], name);
	return code;
}

/* Grants, or revokes, one domain within the transaction. To grant what is
 * granted changes nothing, and a script may do so; to revoke what is not would
 * leave someone believing that a door is shut. */
static int
change_grant(struct context *ctx, const char *login, int64_t id,
    const char *typed, bool grant)
{
	char name[DOMAIN_SIZE];
	enum store_result result;
	int code = take_domain(typed, name);

	if (code != EX_OK)
		return code;
	result = grant ? store_grant(ctx->store, id, name)
		       : store_revoke(ctx->store, id, name);
	if (result == STORE_NONE && !grant)
		return complain(EX_DATAERR, "%s does not have %s", login, name);
	if (result != STORE_EXISTS)
		return account_code(ctx, login, result);
	fprintf(ctx->out, "%s has %s already\n", login, name);
	return EX_OK;
}

/* All the domains or none. */
static int
change_grants(struct context *ctx, const struct arguments *args, bool grant)
{
	const char *login = args->operands[0];
	int64_t id = 0;
	int code = take_account(ctx, login, &id);

	if (code == EX_OK && grant)
		code = check_domains(ctx, args);
	if (code != EX_OK)
		return code;
	if (store_begin(ctx->store) != STORE_OK)
		return complain_store(ctx);
	for (int i = 1; code == EX_OK && i < args->count; i++)
		code = change_grant(ctx, login, id, args->operands[i], grant);
	if (code == EX_OK && store_commit(ctx->store) != STORE_OK)
		return complain_store(ctx);
	store_rollback(ctx->store);
	return code;
}

int
cmd_account_grant(struct context *ctx, const struct arguments *args)
{
	return change_grants(ctx, args, true);
}

int
cmd_account_revoke(struct context *ctx, const struct arguments *args)
{
	int code = change_grants(ctx, args, false);

	return code == EX_OK ? daemon_recheck(ctx) : code;
}
