/* SPDX-License-Identifier: ISC */
/*
 * odmrctl customer remove: the account, and those of its domains that nobody
 * else has, in one transaction.
 */
#include <stdlib.h>
#include <sysexits.h>

#include "customer.h"
#include "odmrctl/domain.h"

struct plan {
	struct customer customer;
	struct domain_removal *removals; /* of the domains that go as well */
	size_t count;
};

static void
count_login(const char *login, void *arg)
{
	(void)login;
	++*(int *)arg;
}

/* What the account has alone goes with it, and is looked at while it is there.
 */
static int
plan_domain(struct context *ctx, const char *name, struct plan *plan)
{
	struct domain_removal *removal = &plan->removals[plan->count];
	int holders = 0;

	if (store_grantees(ctx->store, name, count_login, &holders) != STORE_OK)
		return complain_store(ctx);
	if (holders > 1) {
		fprintf(
		    ctx->out, "domain %s stays: others have it, too\n", name);
		return EX_OK;
	}
	removal->name = name;
	plan->count++;
	return look_at_removal(ctx, removal);
}

static int
make_plan(struct context *ctx, const char *login, struct plan *plan)
{
	int code = customer_load(ctx, login, &plan->customer);

	plan->removals =
	    must(calloc(plan->customer.count + 1, sizeof(*plan->removals)));
	for (size_t i = 0; code == EX_OK && i < plan->customer.count; i++)
		code = plan_domain(ctx, plan->customer.domains[i].name, plan);
	return code;
}

static void
tell_plan(struct context *ctx, const struct plan *plan, bool done)
{
	fprintf(ctx->out, "account %s %s\n", plan->customer.login,
	    done ? "is removed" : "would be removed");
	for (size_t i = 0; i < plan->count; i++) {
		fprintf(ctx->out, "domain %s %s\n", plan->removals[i].name,
		    done ? "is removed" : "would be removed");
		tell_removal(ctx->out, &plan->removals[i]);
	}
}

/* Somebody may have been granted it meanwhile: then it stays. */
static int
remove_domain(struct context *ctx, const char *name)
{
	enum store_result result;
	int holders = 0;

	if (store_grantees(ctx->store, name, count_login, &holders) != STORE_OK)
		return complain_store(ctx);
	if (holders > 0)
		return EX_OK;
	result = store_domain_remove(ctx->store, name);
	return result == STORE_NONE ? EX_OK : domain_code(ctx, name, result);
}

static int
remove_all(struct context *ctx, const struct plan *plan)
{
	const char *login = plan->customer.login;
	int code;

	if (store_begin(ctx->store) != STORE_OK)
		return complain_store(ctx);
	code =
	    account_code(ctx, login, store_account_remove(ctx->store, login));
	for (size_t i = 0; code == EX_OK && i < plan->count; i++)
		code = remove_domain(ctx, plan->removals[i].name);
	if (code == EX_OK && store_commit(ctx->store) != STORE_OK)
		return complain_store(ctx);
	store_rollback(ctx->store);
	return code;
}

/* It is said before it is done, and once it is done. */
static int
carry_out(struct context *ctx, const struct plan *plan)
{
	int code = remove_all(ctx, plan), told;

	if (code != EX_OK)
		return code;
	tell_plan(ctx, plan, true);
	code = plan->count > 0
	    ? tell_postfix_gone(ctx, plan->removals, plan->count)
	    : EX_OK;
	told = daemon_recheck(ctx);
	return code == EX_OK ? told : code;
}

static int
refuse(struct context *ctx, const struct plan *plan)
{
	int code;

	tell_plan(ctx, plan, false);
	code = say_now(ctx);
	return code != EX_OK
	    ? code
	    : complain(EX_USAGE, "nothing is removed: --yes removes it");
}

int
cmd_customer_remove(struct context *ctx, const struct arguments *args)
{
	struct plan plan = { 0 };
	int code = make_plan(ctx, args->operands[0], &plan);

	if (code == EX_OK)
		code = args->yes ? carry_out(ctx, &plan) : refuse(ctx, &plan);
	free(plan.removals);
	customer_free(&plan.customer);
	return code;
}
