/* SPDX-License-Identifier: ISC */
/*
 * odmrctl domain: the mail domains that the relay holds mail for.
 */
#include <err.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "domain.h"
#include "odmrctl.h"

int
take_domain(const char *typed, char out[DOMAIN_SIZE])
{
	const char *why;

	if (domain_from_operator(typed, out, &why))
		return EX_OK;
	return complain(
	    EX_DATAERR, "\"%s\" is no domain name: it %s", typed, why);
}

int
domain_code(struct context *ctx, const char *name, enum store_result result)
{
	switch (result) {
	case STORE_OK:
		return EX_OK;
	case STORE_NONE:
		return complain(EX_NOHOST, "no such domain: %s", name);
	case STORE_EXISTS:
		return complain(EX_DATAERR, "domain exists already: %s", name);
	default:
		return complain_store(ctx);
	}
}

int
take_known_domain(struct context *ctx, const char *typed, char out[DOMAIN_SIZE])
{
	int code = take_domain(typed, out);

	if (code == EX_OK)
		code = domain_code(
		    ctx, out, store_domain_get(ctx->store, out, NULL, NULL));
	return code;
}

int
take_domain_or_all(struct context *ctx, const struct arguments *args,
    char out[DOMAIN_SIZE], const char **domain)
{
	*domain = args->count > 0 ? out : NULL;
	if (args->count == 0)
		return EX_OK;
	return take_known_domain(ctx, args->operands[0], out);
}

static int
take_nexthop(const char *typed, struct domain_settings *settings)
{
	struct endpoint hop;
	const char *fault;

	settings->nexthop[0] = '\0';
	if (typed[0] == '\0')
		return EX_OK;
	fault = endpoint_parse(&hop, typed);
	if (fault != NULL)
		return complain(EX_DATAERR, "next hop \"%s\" %s", typed, fault);
	endpoint_text(&hop, settings->nexthop);
	return EX_OK;
}

/* In mode odmr mail goes to the customer's own connection, and a next hop would
 * mislead. */
int
take_domain_settings(
    const struct arguments *args, struct domain_settings *settings)
{
	int code = EX_OK;

	if (args->mode != NULL &&
	    !domain_mode_parse(args->mode, &settings->mode))
		return complain(EX_USAGE,
		    "\"%s\" is no mode: it must be odmr, backup or hold",
		    args->mode);
	if (args->nexthop != NULL)
		code = take_nexthop(args->nexthop, settings);
	else if (settings->mode == MODE_ODMR)
		settings->nexthop[0] = '\0';
	if (code == EX_OK && settings->mode == MODE_ODMR &&
	    settings->nexthop[0] != '\0')
		return complain(EX_USAGE,
		    "a domain in mode odmr has no next hop: --nexthop goes "
		    "with --mode backup or hold");
	return code;
}

const char *
nexthop_or_null(const struct domain_settings *settings)
{
	return settings->nexthop[0] != '\0' ? settings->nexthop : NULL;
}

struct spelling
spelling_of(const char *name)
{
	struct spelling spelling;

	if (!spelling_find(&spelling, name))
		err(EX_OSERR, "out of memory");
	return spelling;
}

static int
first_fault(int one, int other)
{
	return one != EX_OK ? one : other;
}

/* `*etrn`: the second table has it, too. */
static void
tell_folding(struct context *ctx, const char *name, bool *etrn)
{
	struct spelling spelling = spelling_of(name);

	*etrn |= spelling.unicode != NULL;
	if (spelling.unicode != NULL && spelling.keys[COMPOSED] == NULL)
		fprintf(ctx->out,
		    "mail to %s is taken only as %s: Postfix's tables do not "
		    "tell it from another domain\n",
		    spelling.unicode, name);
	spelling_free(&spelling);
}

int
tell_postfix_new(struct context *ctx, const char *const *names, size_t count)
{
	int code = table_update(ctx, names, count);
	bool etrn = false;

	for (size_t i = 0; i < count; i++)
		tell_folding(ctx, names[i], &etrn);
	return etrn ? first_fault(code, table_update_etrn(ctx)) : code;
}

int
cmd_domain_add(struct context *ctx, const struct arguments *args)
{
	struct domain_settings settings = { .mode = MODE_ODMR };
	char name[DOMAIN_SIZE];
	const char *known = name;
	int code = take_domain(args->operands[0], name);

	if (code == EX_OK)
		code = take_domain_settings(args, &settings);
	if (code == EX_OK)
		code = domain_code(ctx, name,
		    store_domain_add(ctx->store, name, settings.mode,
			nexthop_or_null(&settings)));
	return code == EX_OK ? tell_postfix_new(ctx, &known, 1) : code;
}

void
copy_domain_settings(const struct domain *domain, void *arg)
{
	struct domain_settings *settings = arg;

	settings->mode = domain->mode;
	if (domain->nexthop != NULL)
		strlcpy(settings->nexthop, domain->nexthop, ENDPOINT_TEXT_SIZE);
}

int
cmd_domain_set(struct context *ctx, const struct arguments *args)
{
	struct domain_settings settings = { .mode = MODE_ODMR };
	enum store_result result;
	char name[DOMAIN_SIZE];
	const char *known = name;
	int code = take_domain(args->operands[0], name);

	if (code != EX_OK)
		return code;
	if (args->mode == NULL && args->nexthop == NULL)
		return complain(
		    EX_USAGE, "nothing to set: give --mode or --nexthop");
	result =
	    store_domain_get(ctx->store, name, copy_domain_settings, &settings);
	if (result == STORE_OK) {
		code = take_domain_settings(args, &settings);
		if (code != EX_OK)
			return code;
		result = store_domain_set(ctx->store, name, settings.mode,
		    nexthop_or_null(&settings));
	}
	code = domain_code(ctx, name, result);
	if (code != EX_OK)
		return code;
	code = table_update(ctx, &known, 1);
	return first_fault(code, daemon_recheck(ctx));
}

static void
note_queue(const struct queue_name *row, void *arg)
{
	struct domain_removal *removal = arg;

	removal->etrn |= strcmp(row->domain, removal->name) == 0;
}

int
look_at_removal(struct context *ctx, struct domain_removal *removal)
{
	struct spelling spelling = spelling_of(removal->name);

	removal->held = 0;
	removal->etrn = spelling.unicode != NULL;
	spelling_free(&spelling);
	if (store_tag_count(ctx->store, removal->name, NULL, &removal->held) !=
		STORE_OK ||
	    store_queue_name_each(ctx->store, NULL, note_queue, removal) !=
		STORE_OK)
		return complain_store(ctx);
	return EX_OK;
}

void
tell_removal(FILE *out, const struct domain_removal *removal)
{
	if (removal->held > 0)
		fprintf(out,
		    "held messages of %s stay in the Postfix queue: %" PRId64
		    "\n    Without the domain Postfix sends them to its MX; "
		    "where that is this relay, it\n    returns them to their "
		    "senders (\"loops back to myself\").\n",
		    removal->name, removal->held);
}

int
tell_postfix_gone(
    struct context *ctx, const struct domain_removal *removals, size_t count)
{
	const char **names = must(calloc(count, sizeof(*names)));
	bool etrn = false;
	int code;

	for (size_t i = 0; i < count; i++) {
		names[i] = removals[i].name;
		etrn |= removals[i].etrn;
	}
	code = table_update(ctx, names, count);
	free(names);
	return etrn ? first_fault(code, table_update_etrn(ctx)) : code;
}

int
cmd_domain_remove(struct context *ctx, const struct arguments *args)
{
	char name[DOMAIN_SIZE];
	struct domain_removal removal = { .name = name };
	int code = take_domain(args->operands[0], name);

	if (code == EX_OK)
		code = look_at_removal(ctx, &removal);
	if (code == EX_OK)
		code = domain_code(
		    ctx, name, store_domain_remove(ctx->store, name));
	if (code != EX_OK)
		return code;
	tell_removal(ctx->out, &removal);
	code = tell_postfix_gone(ctx, &removal, 1);
	return first_fault(code, daemon_recheck(ctx));
}
