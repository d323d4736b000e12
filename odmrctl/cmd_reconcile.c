/* SPDX-License-Identifier: ISC */
/*
 * odmrctl reconcile: makes the tags agree with the Postfix queue.
 */
#include <err.h>
#include <inttypes.h>
#include <sysexits.h>

#include "json.h"
#include "odmrctl.h"
#include "rights.h"
#include "lib/tags/reconcile.h"
#include "lib/tags/relay_table.h"

enum { REASON_SIZE = 1024 };

static void
print_json(FILE *out, const struct reconcile_report *report)
{
	struct json json;

	json_begin(&json, out);
	json_put(&json, "listed", json_integer(report->listed));
	json_put(&json, "added", json_integer(report->added));
	json_put(&json, "changed", json_integer(report->changed));
	json_put(&json, "delivered", json_integer(report->delivered));
	json_put(&json, "refused", json_integer(report->refused));
	json_put(&json, "expired", json_integer(report->expired));
	json_put(&json, "left", json_integer(report->left));
	json_end(&json);
}

static void
print_text(FILE *out, const struct reconcile_report *report)
{
	fprintf(out,
	    "%" PRId64 " messages in the queue; tags: %" PRId64 " added, "
	    "%" PRId64 " changed, %" PRId64 " delivered, %" PRId64 " refused, "
	    "%" PRId64 " expired, %" PRId64 " left\n",
	    report->listed, report->added, report->changed, report->delivered,
	    report->refused, report->expired, report->left);
}

int
cmd_reconcile(struct context *ctx, const struct arguments *args)
{
	struct reconcile_report report;
	char reason[REASON_SIZE], error[POSTMAP_ERROR_SIZE];
	bool mended;
	int code = rights_drop_but_log(&ctx->conf);

	if (code != EX_OK)
		return code;
	if (!reconcile(&ctx->conf, ctx->store, RECONCILE_BY_TOOL, &report,
		reason, sizeof(reason)))
		return complain(EX_TEMPFAIL, "reconcile: %s", reason);
	if (!relay_table_mend(&ctx->conf, ctx->store, &mended, error))
		return complain(EX_TEMPFAIL, "reconcile: %s", error);
	if (mended)
		warnx("Postfix's tables did not agree with the database and "
		      "were written anew");
	if (args->json)
		print_json(ctx->out, &report);
	else
		print_text(ctx->out, &report);
	return EX_OK;
}
