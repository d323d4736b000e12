/* SPDX-License-Identifier: ISC */
/*
 * odmrctl etrn: who may start a domain's deliveries by ETRN without being an
 * account that may collect it: clients by their address, and logins, which may
 * also be known to Postfix only and are therefore not looked for among the
 * accounts.
 */
#include <ctype.h>
#include <string.h>
#include <sysexits.h>

#include "list.h"
#include "lib/network.h"
#include "odmrctl.h"
#include "table.h"

enum { NAME_WIDTH = 36, LOGIN_MAX = 254 };

enum { WHO_SIZE = sizeof(ETRN_LOGIN) + LOGIN_MAX };
_Static_assert((int)WHO_SIZE >= (int)NETWORK_TEXT_SIZE, "holds a network too");

static const char *
login_fault(const char *login)
{
	size_t len = strlen(login);

	if (len == 0)
		return "is empty";
	if (len > LOGIN_MAX)
		return "is longer than 254 octets";
	for (; *login != '\0'; login++)
		if (!isascii(*login) || !isgraph(*login))
			return "has a character that is no printable ASCII";
	return NULL;
}

/* EX_OK with the permission's canonical name in `who`, else complains. */
static int
take_who(const char *typed, char who[WHO_SIZE])
{
	const size_t prefix = strlen(ETRN_LOGIN);
	struct network network;
	const char *fault;

	if (strncmp(typed, ETRN_LOGIN, prefix) == 0) {
		fault = login_fault(typed + prefix);
		if (fault != NULL)
			return complain(EX_DATAERR, "login \"%s\" %s",
			    typed + prefix, fault);
		strlcpy(who, typed, WHO_SIZE);
		return EX_OK;
	}
	if (!network_parse(typed, &network, &fault))
		return complain(EX_DATAERR,
		    "\"%s\" is neither a network nor login:LOGIN: it %s", typed,
		    fault);
	network_text(&network, who);
	return EX_OK;
}

int
cmd_etrn_allow(struct context *ctx, const struct arguments *args)
{
	char name[DOMAIN_SIZE], who[WHO_SIZE];
	enum store_result result;
	int code = take_domain(args->operands[0], name);

	if (code == EX_OK)
		code = take_who(args->operands[1], who);
	if (code != EX_OK)
		return code;
	result = store_etrn_allow(ctx->store, name, who);
	if (result != STORE_EXISTS)
		return domain_code(ctx, name, result);
	fprintf(ctx->out, "%s may send ETRN for %s already\n", who, name);
	return EX_OK;
}

/* To deny what was not allowed would leave someone believing that a door is
 * shut, which a wider network or a grant holds open. */
int
cmd_etrn_deny(struct context *ctx, const struct arguments *args)
{
	char name[DOMAIN_SIZE], who[WHO_SIZE];
	enum store_result result;
	int code = take_known_domain(ctx, args->operands[0], name);

	if (code == EX_OK)
		code = take_who(args->operands[1], who);
	if (code != EX_OK)
		return code;
	result = store_etrn_deny(ctx->store, name, who);
	if (result == STORE_NONE)
		return complain(
		    EX_DATAERR, "%s has no permission for %s", who, name);
	return domain_code(ctx, name, result);
}

static void
print_row(const struct etrn_permission *permission, void *arg)
{
	FILE *out = arg;

	table_name(out, permission->domain, NAME_WIDTH);
	fprintf(out, " %s\n", permission->who);
}

static void
json_row(const struct etrn_permission *permission, void *arg)
{
	json_t *row = json_object();

	json_set_text(row, "domain", permission->domain);
	json_set_text(row, "who", permission->who);
	json_put(arg, NULL, row);
}

int
cmd_etrn_list(struct context *ctx, const struct arguments *args)
{
	char name[DOMAIN_SIZE];
	const char *domain;
	struct json json;
	void *rows;
	int code = take_domain_or_all(ctx, args, name, &domain);

	if (code != EX_OK)
		return code;
	rows = list_begin(ctx, args, &json, "etrn", "%-*s %s\n", NAME_WIDTH,
	    "DOMAIN", "MAY SEND ETRN");
	return list_end(ctx, rows,
	    store_etrn_each(
		ctx->store, domain, args->json ? json_row : print_row, rows));
}
