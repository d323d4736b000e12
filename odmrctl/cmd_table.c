/* SPDX-License-Identifier: ISC */
/*
 * odmrctl table: Postfix's tables, written from the database; and what the
 * commands that change the database do about them. The database is right by
 * then, and stays so: the tables can be written later.
 */
#include <sysexits.h>

#include "lib/tags/relay_table.h"
#include "odmrctl.h"

static int
complain_table(bool ok, const char *error)
{
	if (ok)
		return EX_OK;
	return complain(EX_TEMPFAIL,
	    "%s; Postfix does not know the change, \"odmrctl table\" tells "
	    "it",
	    error);
}

int
table_update(struct context *ctx, const char *const *domains, size_t count)
{
	char error[POSTMAP_ERROR_SIZE];

	return complain_table(
	    relay_table_update(&ctx->conf, ctx->store, domains, count, error),
	    error);
}

int
table_update_etrn(struct context *ctx)
{
	char error[POSTMAP_ERROR_SIZE];

	return complain_table(
	    relay_table_update_etrn(&ctx->conf, ctx->store, error), error);
}

int
cmd_table(struct context *ctx, const struct arguments *args)
{
	char error[POSTMAP_ERROR_SIZE];

	(void)args;
	if (relay_table_write(&ctx->conf, ctx->store, error))
		return EX_OK;
	return complain(EX_TEMPFAIL, "%s", error);
}
