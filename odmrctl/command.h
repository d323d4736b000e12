/* SPDX-License-Identifier: ISC */
/*
 * The command line of odmrctl(8), by two tables, which main.c has: the commands
 * and the options that they take. Who calls a command wrongly hears of it on
 * standard error, with the usage of what was meant.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include <getopt.h>
#include <stddef.h>

#include "odmrctl.h"

struct command {
	const char *noun;
	const char *verb; /* a word or two; NULL: the noun is the command */
	command_run *run; /* NULL: help */
	int options;
	int least, most; /* operands */
	const char *usage;
	const char *does;
};

/* Where in struct arguments an option goes: a const char *, or a bool. */
struct rule {
	struct option option; /* its `val` is its bit */
	size_t field;
};

extern const struct command commands[]; /* the last one has no noun */
extern const struct rule rules[];       /* the last one has no name */

/* NULL after saying what was wrong. */
const struct command *command_find(int argc, char **argv);

/* Takes options and operands behind the command's own words, with which `argv`
 * begins; `argv` is changed, and what is in `args` points into it. False after
 * saying what was wrong. */
bool command_take_arguments(
    const struct command *, int argc, char **argv, struct arguments *args);

/* Is there a --help or -h among the words? */
bool command_wants_help(int argc, char **argv);

/* Writes to standard output what the commands that begin with these words take
 * and do; without words, all of them. Words from the first option on are passed
 * over, and so are operands. EX_OK, or EX_USAGE after saying what is wrong. */
int command_help(int argc, char **argv);

#endif
