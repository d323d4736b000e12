/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <sysexits.h>

#include "list.h"

void *
list_begin(struct context *ctx, const struct arguments *args, struct json *json,
    const char *key, const char *heading, ...)
{
	va_list ap;

	if (!args->json) {
		va_start(ap, heading);
		vfprintf(ctx->out, heading, ap);
		va_end(ap);
		return ctx->out;
	}
	json_begin(json, ctx->out);
	json_list(json, key);
	return json;
}

int
list_end(struct context *ctx, void *rows, enum store_result result)
{
	if (result != STORE_OK)
		return complain_store(ctx);
	if (rows != ctx->out)
		json_end(rows);
	return EX_OK;
}
