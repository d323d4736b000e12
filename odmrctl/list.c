/* SPDX-License-Identifier: ISC */
#include <sysexits.h>

#include "list.h"

int
list_json(struct context *ctx, const char *key, list_rows *rows, const char *of)
{
	struct json json;

	json_begin(&json, ctx->out);
	json_list(&json, key);
	if (rows(ctx->store, of, &json) != STORE_OK)
		return complain_store(ctx);
	json_end(&json);
	return EX_OK;
}
