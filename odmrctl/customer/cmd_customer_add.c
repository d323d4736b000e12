/* SPDX-License-Identifier: ISC */
/*
 * odmrctl customer add: domains, account and grants in one transaction, and
 * Postfix's table written once.
 *
 * A password that is made here is good for nothing else and guards mail that
 * lies readable in the queue of this same host: it is kept readable for
 * CRAM-MD5 where the customer collects by ATRN, so that what is printed works.
 * One that somebody has chosen is so only with --cram-md5.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "customer.h"
#include "odmrctl/domain.h"

/* What is to be added. */
struct addition {
	struct customer customer;
	struct domain_settings settings;
	char password[PASSWORD_SIZE];
	char *verifier;
};

/* ---- what was typed ------------------------------------------------------ */

static int
take_domains(const struct arguments *args, struct addition *add)
{
	char name[DOMAIN_SIZE];
	int code = EX_OK;

	for (int i = 1; code == EX_OK && i < args->count; i++) {
		code = take_domain(args->operands[i], name);
		if (code == EX_OK)
			customer_append(&add->customer, name)->mode =
			    add->settings.mode;
	}
	return code;
}

static int
take_password(const struct arguments *args, struct addition *add)
{
	char made[NEW_PASSWORD_SIZE];

	add->customer.cram_md5 = args->cram_md5 ||
	    (!args->password_stdin && add->settings.mode == MODE_ODMR);
	if (args->password_stdin)
		return password_read(add->password);
	strlcpy(add->password, new_password(made), PASSWORD_SIZE);
	explicit_bzero(made, sizeof(made));
	add->customer.password = add->password;
	return EX_OK;
}

static int
take_all(
    struct context *ctx, const struct arguments *args, struct addition *add)
{
	const char *login = args->operands[0];
	int code = take_login(login);

	add->customer.login = login;
	if (code == EX_OK)
		code = take_domain_settings(args, &add->settings);
	if (code == EX_OK)
		code = take_domains(args, add);
	if (code == EX_OK)
		code = take_password(args, add);
	if (code == EX_OK)
		code =
		    derive_verifier(ctx, login, add->password, &add->verifier);
	return code;
}

/* ---- the transaction ----------------------------------------------------- */

static int
add_account(struct context *ctx, struct addition *add)
{
	struct customer *customer = &add->customer;
	struct account account = { .login = customer->login,
		.scram = add->verifier,
		.password = customer->cram_md5 ? add->password : NULL };
	int code = account_code(
	    ctx, account.login, store_account_add(ctx->store, &account));

	return code == EX_OK
	    ? take_account(ctx, account.login, &customer->account)
	    : code;
}

static void
copy_login(const char *login, void *arg)
{
	strlcpy(arg, login, DOMAIN_SIZE);
}

/* A domain that is there is taken if nobody has it and it is as it is wanted.
 */
static int
check_there(struct context *ctx, const struct addition *add, const char *name)
{
	struct domain_settings there = { .mode = MODE_ODMR };
	char owner[DOMAIN_SIZE] = "";

	if (store_grantees(ctx->store, name, copy_login, owner) != STORE_OK ||
	    store_domain_get(ctx->store, name, copy_domain_settings, &there) !=
		STORE_OK)
		return complain_store(ctx);
	if (strcmp(owner, add->customer.login) == 0)
		return complain(EX_DATAERR, "%s is there twice", name);
	if (owner[0] != '\0')
		return complain(
		    EX_DATAERR, "domain %s: account %s has it", name, owner);
	if (there.mode != add->settings.mode ||
	    strcmp(there.nexthop, add->settings.nexthop) != 0)
		return complain(EX_DATAERR,
		    "domain %s exists already, in mode %s%s%s: \"odmrctl "
		    "domain set\" changes that",
		    name, domain_mode_name(there.mode),
		    there.nexthop[0] != '\0' ? " with next hop " : "",
		    there.nexthop);
	return EX_OK;
}

static int
add_domain(struct context *ctx, const struct addition *add, const char *name)
{
	enum store_result result = store_domain_add(ctx->store, name,
	    add->settings.mode, nexthop_or_null(&add->settings));
	int code = result == STORE_EXISTS ? check_there(ctx, add, name)
					  : domain_code(ctx, name, result);

	if (code != EX_OK)
		return code;
	return account_code(ctx, add->customer.login,
	    store_grant(ctx->store, add->customer.account, name));
}

static int
add_all(struct context *ctx, struct addition *add)
{
	int code;

	if (store_begin(ctx->store) != STORE_OK)
		return complain_store(ctx);
	code = add_account(ctx, add);
	for (size_t i = 0; code == EX_OK && i < add->customer.count; i++)
		code = add_domain(ctx, add, add->customer.domains[i].name);
	if (code == EX_OK && store_commit(ctx->store) != STORE_OK)
		return complain_store(ctx);
	store_rollback(ctx->store);
	return code;
}

/* ---- and what follows ---------------------------------------------------- */

static int
tell_postfix(struct context *ctx, const struct customer *customer)
{
	const char **names = must(calloc(customer->count, sizeof(*names)));
	int code;

	for (size_t i = 0; i < customer->count; i++)
		names[i] = customer->domains[i].name;
	code = tell_postfix_new(ctx, names, customer->count);
	free(names);
	return code;
}

/* The password is not to be had later: it is shown before something else can
 * fail. */
int
cmd_customer_add(struct context *ctx, const struct arguments *args)
{
	struct addition add = { .settings = { .mode = MODE_ODMR } };
	int code = take_all(ctx, args, &add), said;

	if (code == EX_OK)
		code = add_all(ctx, &add);
	if (code == EX_OK) {
		handover(ctx->out, &ctx->conf, &add.customer);
		said = say_now(ctx);
		code = tell_postfix(ctx, &add.customer);
		code = code == EX_OK ? said : code;
	}
	wipe_secrets(add.password, add.verifier);
	customer_free(&add.customer);
	return code;
}
