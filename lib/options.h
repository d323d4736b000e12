/* SPDX-License-Identifier: ISC */
/* The command line that both daemons have. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>

struct options {
	const char *conf_path; /* -c */
	bool foreground;       /* -f */
	bool test;             /* -t */
};

/* Exits after --help and --version, and with EX_USAGE for what it does not
 * know.
 */
struct options options_parse(const char *program, int argc, char **argv);

#endif
