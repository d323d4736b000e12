/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "customer.h"

struct customer_domain *
customer_append(struct customer *customer, const char *name)
{
	struct customer_domain *domain;

	customer->domains = must(reallocarray(customer->domains,
	    customer->count + 1, sizeof(*customer->domains)));
	domain = &customer->domains[customer->count++];
	*domain = (struct customer_domain) { .mode = MODE_ODMR };
	strlcpy(domain->name, name, sizeof(domain->name));
	return domain;
}

static void
copy_account(const struct account *account, void *arg)
{
	struct customer *customer = arg;

	customer->account = account->id;
	customer->disabled = account->disabled;
	customer->cram_md5 = account->password != NULL;
}

static void
append_grant(const char *name, void *customer)
{
	customer_append(customer, name);
}

struct filling {
	struct customer *customer;
	size_t at; /* the first domain that may still come */
};

/* Both come in the order of their names. */
static void
copy_status(const struct domain_status *status, void *arg)
{
	struct filling *filling = arg;
	struct customer *customer = filling->customer;
	const char *name = status->domain.name;
	struct customer_domain *domain;

	while (filling->at < customer->count &&
	    strcmp(customer->domains[filling->at].name, name) < 0)
		filling->at++;
	if (filling->at == customer->count ||
	    strcmp(customer->domains[filling->at].name, name) != 0)
		return;
	domain = &customer->domains[filling->at];
	domain->mode = status->domain.mode;
	domain->held = status->held;
	domain->bytes = status->bytes;
	domain->oldest = status->oldest;
	domain->last_collected = status->last_collected;
}

int
customer_load(struct context *ctx, const char *login, struct customer *customer)
{
	struct filling filling = { customer, 0 };
	enum store_result result;

	*customer = (struct customer) { .login = login };
	result = store_account_get(ctx->store, login, copy_account, customer);
	if (result != STORE_OK)
		return account_code(ctx, login, result);
	if (store_grants(ctx->store, customer->account, append_grant,
		customer) != STORE_OK ||
	    store_status_each(ctx->store, copy_status, &filling) != STORE_OK)
		return complain_store(ctx);
	return EX_OK;
}

void
customer_free(struct customer *customer)
{
	free(customer->domains);
	customer->domains = NULL;
	customer->count = 0;
}
