/* SPDX-License-Identifier: ISC */
/*
 * odmrctl setup --undo: whose mail waits, and what would become of it.
 */
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <sysexits.h>

#include "odmrctl/rights.h"
#include "odmrctl/table.h"
#include "undo.h"

enum { BUSY_MS = 2000 };

struct held {
	FILE *out;
	int64_t messages;
};

static void
tell_domain(const struct domain_status *status, void *arg)
{
	struct held *held = arg;

	if (status->held == 0)
		return;
	fprintf(held->out, "held mail: %" PRId64 " message%s of ", status->held,
	    status->held == 1 ? "" : "s");
	table_text(held->out, status->domain.name);
	putc('\n', held->out);
	held->messages += status->held;
}

/* The database is asked as its user. */
static bool
ask(const struct setup *setup, struct held *held)
{
	struct store *store;
	bool known = false;

	if (getpwnam(setup->conf->user) == NULL)
		return false;
	store = must(store_new_reader(setup->conf, BUSY_MS));
	if (rights_lay_off(setup->conf) == EX_OK)
		known = store_status_each(store, tell_domain, held) == STORE_OK;
	store_free(&store);
	rights_take_up();
	return known;
}

void
undo_warn_of_held_mail(struct setup *setup)
{
	FILE *out = setup->ctx->out;
	struct held held = { .out = out };

	if (!ask(setup, &held))
		fprintf(out, "held mail: the database cannot be asked\n");
	else if (held.messages == 0)
		fprintf(out, "held mail: none\n");
	fprintf(out,
	    "Afterwards Postfix refuses new mail for the domains of odmrctl, "
	    "and what waits\n"
	    "follows its MX: where that leads back here, it bounces (\"loops "
	    "back to myself\").\n"
	    "So let customers collect it first, or keep it: postsuper -h "
	    "QUEUE_ID.\n");
}
