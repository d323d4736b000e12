/* SPDX-License-Identifier: ISC */
/*
 * odmrctl(8): finds the command in the table, checks its options and operands
 * against it, and runs it.
 */
#include <err.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "command.h"
#include "odmrctl.h"
#include "rights.h"
#include "lib/streams.h"
#include "lib/version.h"

enum { BUSY_MS = 5000, MANY = 1 << 16 };

/* Options that a command takes. */
enum {
	MODE = 1 << 0,
	NEXTHOP = 1 << 1,
	LINGER = 1 << 2,
	CRAM_MD5 = 1 << 3,
	JSON = 1 << 4,
	CSV = 1 << 5,
	FROM = 1 << 6,
	TO = 1 << 7,
	STATES = 1 << 8,
	YES = 1 << 9,
	OUTPUT = 1 << 10,
	PASSWORD_STDIN = 1 << 11,
	CHECK = 1 << 16,
	DIFF = 1 << 17,
	UNDO = 1 << 18,
	CONFIG = 1 << 19,
};

/* No option, but a bit with them: it needs root for a part of what it does, and
 * gives it up by itself (rights.h). All others are run without. */
enum { PARTLY_ROOT = 1 << 15 };

#define VALUE(name, bit)                                                       \
	{                                                                      \
		{ #name, required_argument, NULL, bit },                       \
		    offsetof(struct arguments, name)                           \
	}
#define FLAG(text, bit, field)                                                 \
	{                                                                      \
		{ text, no_argument, NULL, bit },                              \
		    offsetof(struct arguments, field)                          \
	}

const struct rule rules[] = {
	VALUE(mode, MODE),
	VALUE(nexthop, NEXTHOP),
	VALUE(linger, LINGER),
	VALUE(from, FROM),
	VALUE(to, TO),
	VALUE(state, STATES),
	VALUE(output, OUTPUT),
	FLAG("cram-md5", CRAM_MD5, cram_md5),
	FLAG("json", JSON, json),
	FLAG("csv", CSV, csv),
	FLAG("yes", YES, yes),
	FLAG("password-stdin", PASSWORD_STDIN, password_stdin),
	VALUE(config, CONFIG),
	FLAG("check", CHECK, check),
	FLAG("diff", DIFF, diff),
	FLAG("undo", UNDO, undo),
	{ { NULL, 0, NULL, 0 }, 0 },
};

static int
cmd_init(struct context *ctx, const struct arguments *args)
{
	int code;

	if (store_prepare(ctx->store) == STORE_OK) {
		code = rights_drop(&ctx->conf);
		if (code != EX_OK)
			return code;
		if (store_init(ctx->store) == STORE_OK)
			return cmd_table(ctx, args);
	}
	return complain(EX_CANTCREAT, "%s", store_error(ctx->store));
}

const struct command commands[] = {
	{ "init", NULL, cmd_init, PARTLY_ROOT, 0, 0, "",
	    "make the database, or bring it to this version" },
	{ "customer", "add", cmd_customer_add,
	    MODE | NEXTHOP | PASSWORD_STDIN | CRAM_MD5, 2, MANY,
	    "NAME DOMAIN... [--mode odmr|backup|hold] [--nexthop HOST[:PORT]] "
	    "[--password-stdin] [--cram-md5]",
	    "add an account with its domains, and print what to hand over" },
	{ "customer", "show", cmd_customer_show, JSON, 1, 1, "NAME [--json]",
	    "what waits for it, and what to hand over but for the password" },
	{ "customer", "remove", cmd_customer_remove, YES, 1, 1, "NAME [--yes]",
	    "remove the account and the domains that nobody else has" },
	{ "domain", "add", cmd_domain_add, MODE | NEXTHOP, 1, 1,
	    "NAME [--mode odmr|backup|hold] [--nexthop HOST[:PORT]]",
	    "hold mail for a domain" },
	{ "domain", "set", cmd_domain_set, MODE | NEXTHOP, 1, 1,
	    "NAME [--mode odmr|backup|hold] [--nexthop HOST[:PORT]]",
	    "change its mode or next hop" },
	{ "domain", "list", cmd_domain_list, JSON, 0, 0, "[--json]",
	    "all domains" },
	{ "domain", "show", cmd_domain_show, JSON, 1, 1, "NAME [--json]",
	    "one domain, and who may have it" },
	{ "domain", "remove", cmd_domain_remove, 0, 1, 1, "NAME",
	    "hold no more mail for it" },
	{ "account", "add", cmd_account_add, CRAM_MD5 | LINGER, 1, 1,
	    "LOGIN [--cram-md5] [--linger SECONDS]",
	    "a login; its password is asked for, or read from stdin" },
	{ "account", "set", cmd_account_set, LINGER, 1, 1,
	    "LOGIN [--linger SECONDS]", "change how long its sessions linger" },
	{ "account", "grant", cmd_account_grant, 0, 2, MANY, "LOGIN DOMAIN...",
	    "let it collect the domains" },
	{ "account", "revoke", cmd_account_revoke, 0, 2, MANY,
	    "LOGIN DOMAIN...", "let it no longer collect them" },
	{ "account", "list", cmd_account_list, JSON, 0, 0, "[--json]",
	    "all accounts" },
	{ "account", "show", cmd_account_show, JSON, 1, 1, "LOGIN [--json]",
	    "one account, and what it may have" },
	{ "account", "passwd", cmd_account_passwd, CRAM_MD5, 1, 1,
	    "LOGIN [--cram-md5]", "give it another password" },
	{ "account", "disable", cmd_account_disable, 0, 1, 1, "LOGIN",
	    "refuse it for a while" },
	{ "account", "enable", cmd_account_enable, 0, 1, 1, "LOGIN",
	    "let it in again" },
	{ "account", "remove", cmd_account_remove, 0, 1, 1, "LOGIN",
	    "remove it with all that it was granted" },
	{ "account", "cert add", cmd_cert_add, PARTLY_ROOT, 2, 2,
	    "LOGIN FINGERPRINT|FILE.pem",
	    "let a client certificate authenticate it" },
	{ "account", "cert remove", cmd_cert_remove, PARTLY_ROOT, 2, 2,
	    "LOGIN FINGERPRINT|FILE.pem", "let it no longer do so" },
	{ "account", "cert list", cmd_cert_list, JSON, 0, 1, "[LOGIN] [--json]",
	    "its certificates, or all" },
	{ "etrn", "allow", cmd_etrn_allow, 0, 2, 2, "DOMAIN CIDR|login:LOGIN",
	    "let a network or a login start the domain by ETRN" },
	{ "etrn", "deny", cmd_etrn_deny, 0, 2, 2, "DOMAIN CIDR|login:LOGIN",
	    "take that back" },
	{ "etrn", "list", cmd_etrn_list, JSON, 0, 1, "[DOMAIN] [--json]",
	    "who may start what" },
	{ "queue-name", "add", cmd_queue_name_add, 0, 2, MANY, "NAME DOMAIN...",
	    "a name by which ETRN starts several domains" },
	{ "queue-name", "remove", cmd_queue_name_remove, 0, 1, MANY,
	    "NAME [DOMAIN...]", "remove it, or domains from it" },
	{ "queue-name", "list", cmd_queue_name_list, JSON, 0, 1,
	    "[NAME] [--json]", "all such names, or one" },
	{ "status", NULL, cmd_status, JSON, 0, 0, "[--json]",
	    "what waits, and who is collecting" },
	{ "queue", NULL, cmd_queue, JSON | STATES, 0, 1,
	    "[DOMAIN] [--state STATE|all] [--json]", "which messages wait" },
	{ "message", NULL, cmd_message, JSON, 1, 1, "ID [--json]",
	    "one message, and what became of it" },
	{ "release", NULL, cmd_release, PARTLY_ROOT, 1, 1, "ID",
	    "have Postfix try a message now" },
	{ "delete", NULL, cmd_delete, YES | PARTLY_ROOT, 1, 1, "ID [--yes]",
	    "delete a message from the queue" },
	{ "sessions", "end", cmd_sessions_end, 0, 1, 1, "ID", "end one" },
	{ "sessions", NULL, cmd_sessions, JSON, 0, 0, "[--json]",
	    "the sessions that run" },
	{ "usage", NULL, cmd_usage, FROM | TO | JSON | CSV, 0, 0,
	    "[--from DAY] [--to DAY] [--json|--csv]",
	    "what came and went, by account, domain and day" },
	{ "reconcile", NULL, cmd_reconcile, JSON | PARTLY_ROOT, 0, 0,
	    "[--json]", "make the tags agree with the queue" },
	{ "table", NULL, cmd_table, 0, 0, 0, "",
	    "write Postfix's tables from the database" },
	{ "metrics", NULL, cmd_metrics, OUTPUT, 0, 0, "[--output FILE]",
	    "the figures of all this for Prometheus" },
	{ "doctor", NULL, cmd_doctor, FROM | JSON | PARTLY_ROOT, 0, 0,
	    "[--from HOST] [--json]", "look whether all is set up right" },
	{ "setup", NULL, cmd_setup,
	    YES | CHECK | DIFF | UNDO | CONFIG | PARTLY_ROOT, 0, 0,
	    "[--check|--diff] [--undo] [--yes] [-c CONFIG_DIR]",
	    "put what is needed into Postfix's configuration" },
	{ "help", NULL, NULL, 0, 0, MANY, "[COMMAND]",
	    "show this, or what COMMAND takes; COMMAND --help does so too" },
	{ NULL, NULL, NULL, 0, 0, 0, NULL, NULL },
};

void *
must(void *memory)
{
	if (memory == NULL)
		err(EX_OSERR, "out of memory");
	return memory;
}

/* One line, and nothing that a terminal obeys: it may have the words of those
 * who wrote the operands, or the mail. */
int
complain(int code, const char *fmt, ...)
{
	size_t left, width;
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) == -1)
		err(EX_OSERR, "out of memory");
	va_end(ap);
	left = strlen(text);
	for (char *c = text; left > 0; c += width, left -= width)
		if (output_is_order(c, left, &width) || (unsigned char)*c < ' ')
			memset(c, '?', width);
	warnx("%s", text);
	free(text);
	return code;
}

int
complain_store(const struct context *ctx)
{
	return complain(EX_TEMPFAIL, "%s", store_error(ctx->store));
}

int
say_now(struct context *ctx)
{
	int code;

	if (fflush(ctx->out) == EOF)
		err(EX_OSERR, "out of memory");
	code = output_show(ctx->text, ctx->len, false);
	rewind(ctx->out);
	return code;
}

/* The file of --output may be one that only root can make. */
static int
give_up_root(const struct context *ctx, const struct command *command,
    const struct arguments *args)
{
	if ((command->options & PARTLY_ROOT) != 0)
		return EX_OK;
	return args->output != NULL ? rights_lay_off(&ctx->conf)
				    : rights_drop(&ctx->conf);
}

static int
run(struct context *ctx, const struct command *command,
    const struct arguments *args)
{
	int code, written;

	ctx->store = must(store_new(&ctx->conf, BUSY_MS));
	ctx->out = must(open_memstream(&ctx->text, &ctx->len));
	code = give_up_root(ctx, command, args);
	if (code == EX_OK)
		code = command->run(ctx, args);
	store_free(&ctx->store);
	rights_take_up();
	if (fclose(ctx->out) == EOF)
		err(EX_OSERR, "out of memory");
	if (code < EX__BASE) {
		written = args->output != NULL
		    ? output_write(args->output, ctx->text, ctx->len)
		    : output_show(ctx->text, ctx->len, args->json);
		code = written != EX_OK ? written : code;
	}
	free(ctx->text);
	return code;
}

static int
finish_telling(int code)
{
	if (code != EX_OK || streams_flush())
		return code;
	return complain(EX_IOERR, "standard output: write error");
}

/* What is asked for before a command. -1: a command, whose words begin at
 * optind. */
static int
take_own_options(int argc, char **argv, const char **path)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "+c:h", options, NULL)) != -1)
		switch (option) {
		case 'h':
			return command_help(0, NULL);
		case 'V':
			version_show("odmrctl");
			return EX_OK;
		case 'c':
			*path = optarg;
			break;
		default:
			return complain(EX_USAGE, "--help shows all commands");
		}
	return -1;
}

int
main(int argc, char **argv)
{
	const char *path = CONF_DEFAULT_PATH;
	struct arguments args = { 0 };
	const struct command *command;
	char error[CONF_ERROR_SIZE];
	struct context ctx = { 0 };
	int code;

	streams_occupy();
	code = take_own_options(argc, argv, &path);
	if (code != -1)
		return finish_telling(code);
	argc -= optind;
	argv += optind;
	if (command_wants_help(argc, argv))
		return finish_telling(command_help(argc, argv));
	command = command_find(argc, argv);
	if (command == NULL ||
	    !command_take_arguments(command, argc, argv, &args))
		return EX_USAGE;
	if (command->run == NULL)
		return finish_telling(command_help(args.count, args.operands));
	if (!conf_load(&ctx.conf, path, error))
		return complain(EX_CONFIG, "%s", error);
	ctx.conf_path = path;
	code = run(&ctx, command, &args);
	conf_free(&ctx.conf);
	return code;
}
