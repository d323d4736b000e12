/* SPDX-License-Identifier: ISC */
/*
 * odmrctl(8): finds the command in the table, checks its options and operands
 * against it, and runs it.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "odmrctl.h"
#include "rights.h"
#include "lib/streams.h"

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
	CHECK = 1 << 16,
	DIFF = 1 << 17,
	UNDO = 1 << 18,
	CONFIG = 1 << 19,
};

/* No option, but a bit with them: it needs root for a part of what it does, and
 * gives it up by itself (rights.h). All others are run without. */
enum { PARTLY_ROOT = 1 << 15 };

/* Where in struct arguments each goes: a const char *, or a bool. */
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

static const struct {
	struct option option;
	size_t field;
} rules[] = {
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
	VALUE(config, CONFIG),
	FLAG("check", CHECK, check),
	FLAG("diff", DIFF, diff),
	FLAG("undo", UNDO, undo),
};

enum { OPTIONS = sizeof(rules) / sizeof(rules[0]) };

struct command {
	const char *noun;
	const char *verb; /* a word or two; NULL: the noun is the command */
	command_run *run;
	int options;
	int least, most; /* operands */
	const char *usage;
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

static const struct command commands[] = {
	{ "init", NULL, cmd_init, PARTLY_ROOT, 0, 0, "" },
	{ "setup", NULL, cmd_setup,
	    YES | CHECK | DIFF | UNDO | CONFIG | PARTLY_ROOT, 0, 0,
	    "[--check|--diff] [--undo] [--yes] [-c CONFIG_DIR]" },
	{ "domain", "add", cmd_domain_add, MODE | NEXTHOP, 1, 1,
	    "NAME [--mode odmr|backup|hold] [--nexthop HOST[:PORT]]" },
	{ "domain", "set", cmd_domain_set, MODE | NEXTHOP, 1, 1,
	    "NAME [--mode odmr|backup|hold] [--nexthop HOST[:PORT]]" },
	{ "domain", "list", cmd_domain_list, JSON, 0, 0, "[--json]" },
	{ "domain", "show", cmd_domain_show, JSON, 1, 1, "NAME [--json]" },
	{ "domain", "remove", cmd_domain_remove, 0, 1, 1, "NAME" },
	{ "account", "add", cmd_account_add, CRAM_MD5 | LINGER, 1, 1,
	    "LOGIN [--cram-md5] [--linger SECONDS]" },
	{ "account", "set", cmd_account_set, LINGER, 1, 1,
	    "LOGIN [--linger SECONDS]" },
	{ "account", "grant", cmd_account_grant, 0, 2, MANY,
	    "LOGIN DOMAIN..." },
	{ "account", "revoke", cmd_account_revoke, 0, 2, MANY,
	    "LOGIN DOMAIN..." },
	{ "account", "list", cmd_account_list, JSON, 0, 0, "[--json]" },
	{ "account", "show", cmd_account_show, JSON, 1, 1, "LOGIN [--json]" },
	{ "account", "passwd", cmd_account_passwd, CRAM_MD5, 1, 1,
	    "LOGIN [--cram-md5]" },
	{ "account", "disable", cmd_account_disable, 0, 1, 1, "LOGIN" },
	{ "account", "enable", cmd_account_enable, 0, 1, 1, "LOGIN" },
	{ "account", "remove", cmd_account_remove, 0, 1, 1, "LOGIN" },
	{ "account", "cert add", cmd_cert_add, PARTLY_ROOT, 2, 2,
	    "LOGIN FINGERPRINT|FILE.pem" },
	{ "account", "cert remove", cmd_cert_remove, PARTLY_ROOT, 2, 2,
	    "LOGIN FINGERPRINT|FILE.pem" },
	{ "account", "cert list", cmd_cert_list, JSON, 0, 1,
	    "[LOGIN] [--json]" },
	{ "etrn", "allow", cmd_etrn_allow, 0, 2, 2, "DOMAIN CIDR|login:LOGIN" },
	{ "etrn", "deny", cmd_etrn_deny, 0, 2, 2, "DOMAIN CIDR|login:LOGIN" },
	{ "etrn", "list", cmd_etrn_list, JSON, 0, 1, "[DOMAIN] [--json]" },
	{ "queue-name", "add", cmd_queue_name_add, 0, 2, MANY,
	    "NAME DOMAIN..." },
	{ "queue-name", "remove", cmd_queue_name_remove, 0, 1, MANY,
	    "NAME [DOMAIN...]" },
	{ "queue-name", "list", cmd_queue_name_list, JSON, 0, 1,
	    "[NAME] [--json]" },
	{ "status", NULL, cmd_status, JSON, 0, 0, "[--json]" },
	{ "queue", NULL, cmd_queue, JSON | STATES, 0, 1,
	    "[DOMAIN] [--state STATE|all] [--json]" },
	{ "message", NULL, cmd_message, JSON, 1, 1, "ID [--json]" },
	{ "release", NULL, cmd_release, PARTLY_ROOT, 1, 1, "ID" },
	{ "delete", NULL, cmd_delete, YES | PARTLY_ROOT, 1, 1, "ID [--yes]" },
	{ "sessions", "end", cmd_sessions_end, 0, 1, 1, "ID" },
	{ "sessions", NULL, cmd_sessions, JSON, 0, 0, "[--json]" },
	{ "usage", NULL, cmd_usage, FROM | TO | JSON | CSV, 0, 0,
	    "[--from DAY] [--to DAY] [--json|--csv]" },
	{ "reconcile", NULL, cmd_reconcile, JSON | PARTLY_ROOT, 0, 0,
	    "[--json]" },
	{ "table", NULL, cmd_table, 0, 0, 0, "" },
	{ "metrics", NULL, cmd_metrics, OUTPUT, 0, 0, "[--output FILE]" },
	{ "doctor", NULL, cmd_doctor, JSON | PARTLY_ROOT, 0, 0, "[--json]" },
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

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

static void
print_command(FILE *out, const struct command *command)
{
	fprintf(out, "       odmrctl [-c FILE] %s", command->noun);
	if (command->verb != NULL)
		fprintf(out, " %s", command->verb);
	if (command->usage[0] != '\0')
		fprintf(out, " %s", command->usage);
	putc('\n', out);
}

/* Of the commands of one noun, or of all. */
static void
print_usage(FILE *out, const char *noun)
{
	fprintf(out, "usage:\n");
	for (int i = 0; i < COMMANDS; i++)
		if (noun == NULL || strcmp(commands[i].noun, noun) == 0)
			print_command(out, &commands[i]);
}

/* How many words the command's verb has, if `argv` begins with them; else -1.
 */
static int
match_verb(const struct command *command, int argc, char **argv)
{
	const char *verb = command->verb;
	int words = 0;
	size_t len;

	while (verb != NULL && *verb != '\0') {
		len = strcspn(verb, " ");
		if (words == argc || strlen(argv[words]) != len ||
		    strncmp(argv[words], verb, len) != 0)
			return -1;
		verb += len + (verb[len] == ' ');
		words++;
	}
	return words;
}

/* NULL after saying what was wrong. */
static const struct command *
find_command(int argc, char **argv)
{
	bool noun_known = false;

	for (int i = 0; argc > 0 && i < COMMANDS; i++) {
		if (strcmp(commands[i].noun, argv[0]) != 0)
			continue;
		noun_known = true;
		if (match_verb(&commands[i], argc - 1, argv + 1) >= 0)
			return &commands[i];
	}
	if (argc > 0 && !noun_known) {
		complain(
		    EX_USAGE, "unknown command \"%s\", -h shows all", argv[0]);
		return NULL;
	}
	if (argc > 1)
		complain(
		    EX_USAGE, "unknown command \"%s %s\"", argv[0], argv[1]);
	print_usage(stderr, argc > 0 ? argv[0] : NULL);
	return NULL;
}

static void
set_argument(struct arguments *args, int which)
{
	char *field = (char *)args + rules[which].field;

	if (rules[which].option.has_arg == required_argument)
		*(const char **)(void *)field = optarg;
	else
		*(bool *)field = true;
}

/* Its short form has no line of its own. */
static int
option_named(const char *name, int *which)
{
	*which = 0;
	while (strcmp(rules[*which].option.name, name) != 0)
		++*which;
	return rules[*which].option.val;
}

static bool
take_options(const struct command *command, int argc, char **argv,
    struct arguments *args)
{
	struct option options[OPTIONS + 1] = { 0 };
	int option, which;

	for (int i = 0; i < OPTIONS; i++)
		options[i] = rules[i].option;
	optind = 0; /* makes glibc start anew */
	while (
	    (option = getopt_long(argc, argv, "c:", options, &which)) != -1) {
		if (option == 'c')
			option = option_named("config", &which);
		if (option == '?')
			return false;
		if ((option & command->options) == 0) {
			warnx("--%s is no option of this command",
			    options[which].name);
			return false;
		}
		set_argument(args, which);
	}
	args->operands = argv + optind;
	args->count = argc - optind;
	return true;
}

static bool
check_count(const struct command *command, const struct arguments *args)
{
	if (args->count < command->least)
		complain(EX_USAGE, "an operand is missing");
	else if (args->count > command->most)
		complain(EX_USAGE, "unexpected operand \"%s\"",
		    args->operands[command->most]);
	else
		return true;
	return false;
}

/* `argv` begins with the command's own words. */
static bool
take_arguments(const struct command *command, int argc, char **argv,
    struct arguments *args)
{
	int words = match_verb(command, argc - 1, argv + 1);

	argv[words] = program_invocation_short_name; /* for getopt's messages */
	if (take_options(command, argc - words, argv + words, args) &&
	    check_count(command, args))
		return true;
	fprintf(stderr, "usage:\n");
	print_command(stderr, command);
	return false;
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

int
main(int argc, char **argv)
{
	const char *path = CONF_DEFAULT_PATH;
	struct arguments args = { 0 };
	const struct command *command;
	char error[CONF_ERROR_SIZE];
	struct context ctx = { 0 };
	int option, code;

	streams_occupy();
	while ((option = getopt(argc, argv, "+c:h")) != -1) {
		if (option == 'h') {
			print_usage(stdout, NULL);
			return EX_OK;
		}
		if (option != 'c')
			return complain(EX_USAGE, "-h shows all commands");
		path = optarg;
	}
	argc -= optind;
	argv += optind;
	command = find_command(argc, argv);
	if (command == NULL || !take_arguments(command, argc, argv, &args))
		return EX_USAGE;
	if (!conf_load(&ctx.conf, path, error))
		return complain(EX_CONFIG, "%s", error);
	ctx.conf_path = path;
	code = run(&ctx, command, &args);
	conf_free(&ctx.conf);
	return code;
}
