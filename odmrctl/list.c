/* SPDX-License-Identifier: ISC */
#include <sysexits.h>

#include "list.h"

int
list_array(struct context *ctx, struct json *json, const char *key,
    list_rows *rows, const char *of)
{
	json_open(json, key, '[');
	if (rows(ctx->store, of, json) != STORE_OK)
		return complain_store(ctx);
	json_close(json, ']');
	return EX_OK;
}

int
list_json(struct context *ctx, const char *key, list_rows *rows, const char *of)
{
	struct json json = { .out = ctx->out };
	int code;

	json_open(&json, NULL, '{');
	code = list_array(ctx, &json, key, rows, of);
	json_close(&json, '}');
	putc('\n', ctx->out);
	return code;
}
