/* SPDX-License-Identifier: ISC */
#include <err.h>
#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "command.h"

enum { OPTIONS_MAX = 32 };

/* ---- what can be said ---------------------------------------------------- */

static void
print_command(FILE *out, const struct command *command)
{
	fprintf(out, "       odmrctl [-c FILE] %s", command->noun);
	if (command->verb != NULL)
		fprintf(out, " %s", command->verb);
	if (command->usage[0] != '\0')
		fprintf(out, " %s", command->usage);
	fprintf(out, "\n               %s\n", command->does);
}

/* Of the commands of one noun, or of all. */
static void
print_usage(FILE *out, const char *noun)
{
	fprintf(out, "usage:\n");
	for (const struct command *c = commands; c->noun != NULL; c++)
		if (noun == NULL || strcmp(c->noun, noun) == 0)
			print_command(out, c);
	if (noun == NULL)
		fprintf(out, "       odmrctl --version\n");
}

/* How many words of the verb `argv` begins with; -1: another word is there.
 * `*missing`: how many more the verb has. */
static int
match_words(const struct command *command, int argc, char **argv, int *missing)
{
	const char *verb = command->verb;
	int words = 0;
	size_t len;

	*missing = 0;
	while (verb != NULL && *verb != '\0') {
		len = strcspn(verb, " ");
		if (words == argc)
			++*missing;
		else if (strlen(argv[words]) != len ||
		    strncmp(argv[words], verb, len) != 0)
			return -1;
		else
			words++;
		verb += len + (verb[len] == ' ');
	}
	return words;
}

/* How many words the command's verb has, if `argv` begins with them; else -1.
 */
static int
match_verb(const struct command *command, int argc, char **argv)
{
	int missing, words = match_words(command, argc, argv, &missing);

	return missing == 0 ? words : -1;
}

static bool
is_noun(const char *word)
{
	for (const struct command *c = commands; c->noun != NULL; c++)
		if (strcmp(c->noun, word) == 0)
			return true;
	return false;
}

/* Says that there is no such command, and which there are. */
static void
complain_unknown(int argc, char **argv)
{
	if (argc > 0 && !is_noun(argv[0])) {
		complain(EX_USAGE, "unknown command \"%s\", --help shows all",
		    argv[0]);
		return;
	}
	if (argc > 1)
		complain(
		    EX_USAGE, "unknown command \"%s %s\"", argv[0], argv[1]);
	print_usage(stderr, argc > 0 ? argv[0] : NULL);
}

const struct command *
command_find(int argc, char **argv)
{
	const struct command *c = commands;

	for (; argc > 0 && c->noun != NULL; c++)
		if (strcmp(c->noun, argv[0]) == 0 &&
		    match_verb(c, argc - 1, argv + 1) >= 0)
			return c;
	complain_unknown(argc, argv);
	return NULL;
}

/* ---- help ---------------------------------------------------------------- */

bool
command_wants_help(int argc, char **argv)
{
	for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 ||
		    strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

/* `plain`: the noun is the command. Where it begins others as well, these are
 * what more words are about. */
static bool
print_matching(int argc, char **argv, bool plain)
{
	bool found = false;
	int missing;

	for (const struct command *c = commands; c->noun != NULL; c++) {
		if (strcmp(c->noun, argv[0]) != 0 ||
		    (c->verb == NULL) != plain ||
		    match_words(c, argc - 1, argv + 1, &missing) == -1)
			continue;
		if (!found)
			printf("usage:\n");
		found = true;
		print_command(stdout, c);
	}
	return found;
}

int
command_help(int argc, char **argv)
{
	int words = 0;

	while (words < argc && argv[words][0] != '-')
		words++;
	if (words == 0) {
		print_usage(stdout, NULL);
		return EX_OK;
	}
	if (words == 1 && is_noun(argv[0])) {
		print_usage(stdout, argv[0]);
		return EX_OK;
	}
	if (print_matching(words, argv, false) ||
	    print_matching(words, argv, true))
		return EX_OK;
	complain_unknown(words, argv);
	return EX_USAGE;
}

/* ---- options and operands ------------------------------------------------ */

static void
set_argument(struct arguments *args, const struct rule *rule)
{
	char *field = (char *)args + rule->field;

	if (rule->option.has_arg == required_argument)
		*(const char **)(void *)field = optarg;
	else
		*(bool *)field = true;
}

/* Its short form has no line of its own. */
static int
option_named(const char *name, int *which)
{
	for (*which = 0; rules[*which].option.name != NULL; ++*which)
		if (strcmp(rules[*which].option.name, name) == 0)
			return rules[*which].option.val;
	return '?';
}

static bool
take_options(const struct command *command, int argc, char **argv,
    struct arguments *args)
{
	struct option options[OPTIONS_MAX] = { 0 };
	int option, which;

	for (int i = 0; i < OPTIONS_MAX && rules[i].option.name != NULL; i++)
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
		set_argument(args, &rules[which]);
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

bool
command_take_arguments(const struct command *command, int argc, char **argv,
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
