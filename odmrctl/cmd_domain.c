/* SPDX-License-Identifier: ISC */
/*
 * odmrctl domain: the mail domains that the relay holds mail for.
 */
#include <err.h>
#include <inttypes.h>
#include <string.h>
#include <sysexits.h>

#include "lib/endpoint.h"
#include "odmrctl.h"

struct settings {
	enum domain_mode mode;
	char nexthop[ENDPOINT_TEXT_SIZE]; /* "": by MX */
};

struct removal {
	char name[DOMAIN_SIZE];
	int64_t held;
	bool etrn; /* it has names that only ETRN knows */
};

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
take_nexthop(const char *typed, struct settings *settings)
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

/* Lays the options over what the domain has. In mode odmr mail goes to the
 * customer's own connection, and a next hop would mislead. */
static int
take_settings(const struct arguments *args, struct settings *settings)
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

static const char *
nexthop_or_null(const struct settings *settings)
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

/* A domain is new. It is said where Postfix's folding makes another one of
 * it. */
static int
tell_postfix(struct context *ctx, const char *name)
{
	struct spelling spelling = spelling_of(name);
	int code = table_update(ctx, name);

	if (spelling.unicode != NULL)
		code = first_fault(code, table_update_etrn(ctx));
	if (spelling.unicode != NULL && spelling.keys[COMPOSED] == NULL)
		fprintf(ctx->out,
		    "mail to %s is taken only as %s: Postfix's tables do not "
		    "tell it from another domain\n",
		    spelling.unicode, name);
	spelling_free(&spelling);
	return code;
}

int
cmd_domain_add(struct context *ctx, const struct arguments *args)
{
	struct settings settings = { .mode = MODE_ODMR };
	char name[DOMAIN_SIZE];
	int code = take_domain(args->operands[0], name);

	if (code == EX_OK)
		code = take_settings(args, &settings);
	if (code == EX_OK)
		code = domain_code(ctx, name,
		    store_domain_add(ctx->store, name, settings.mode,
			nexthop_or_null(&settings)));
	return code == EX_OK ? tell_postfix(ctx, name) : code;
}

static void
copy_settings(const struct domain *domain, void *arg)
{
	struct settings *settings = arg;

	settings->mode = domain->mode;
	if (domain->nexthop != NULL)
		strlcpy(settings->nexthop, domain->nexthop, ENDPOINT_TEXT_SIZE);
}

int
cmd_domain_set(struct context *ctx, const struct arguments *args)
{
	struct settings settings = { .mode = MODE_ODMR };
	enum store_result result;
	char name[DOMAIN_SIZE];
	int code = take_domain(args->operands[0], name);

	if (code != EX_OK)
		return code;
	if (args->mode == NULL && args->nexthop == NULL)
		return complain(
		    EX_USAGE, "nothing to set: give --mode or --nexthop");
	result = store_domain_get(ctx->store, name, copy_settings, &settings);
	if (result == STORE_OK) {
		code = take_settings(args, &settings);
		if (code != EX_OK)
			return code;
		result = store_domain_set(ctx->store, name, settings.mode,
		    nexthop_or_null(&settings));
	}
	code = domain_code(ctx, name, result);
	if (code != EX_OK)
		return code;
	code = table_update(ctx, name);
	return first_fault(code, daemon_recheck(ctx));
}

static void
note_queue(const struct queue_name *row, void *arg)
{
	struct removal *removal = arg;

	removal->etrn |= strcmp(row->domain, removal->name) == 0;
}

/* Before it goes: what will be left of it, and does the second table have it?
 */
static enum store_result
look_ahead(struct context *ctx, struct removal *removal)
{
	struct spelling spelling = spelling_of(removal->name);

	removal->etrn = spelling.unicode != NULL;
	spelling_free(&spelling);
	if (store_tag_count(ctx->store, removal->name, NULL, &removal->held) !=
	    STORE_OK)
		return STORE_FAILED;
	return store_queue_name_each(ctx->store, NULL, note_queue, removal);
}

int
cmd_domain_remove(struct context *ctx, const struct arguments *args)
{
	struct removal removal = { .held = 0 };
	const char *name = removal.name;
	int code = take_domain(args->operands[0], removal.name);

	if (code != EX_OK)
		return code;
	if (look_ahead(ctx, &removal) != STORE_OK)
		return complain_store(ctx);
	code = domain_code(ctx, name, store_domain_remove(ctx->store, name));
	if (code != EX_OK)
		return code;
	if (removal.held > 0)
		fprintf(ctx->out,
		    "held messages of %s stay in the Postfix queue: %" PRId64
		    "\n",
		    name, removal.held);
	code = table_update(ctx, name);
	if (removal.etrn)
		code = first_fault(code, table_update_etrn(ctx));
	return first_fault(code, daemon_recheck(ctx));
}
