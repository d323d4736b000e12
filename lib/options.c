/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf.h"
#include "options.h"

static void
print_usage(FILE *to, const char *program)
{
	fprintf(to,
	    "usage: %s [-fht] [-c file]\n"
	    "  -c file  read this configuration instead of %s\n"
	    "  -f       stay in the foreground and log to standard error\n"
	    "  -h       show this\n"
	    "  -t       check the configuration and exit\n",
	    program, CONF_DEFAULT_PATH);
}

struct options
options_parse(const char *program, int argc, char **argv)
{
	struct options options = { .conf_path = CONF_DEFAULT_PATH };
	int option;

	while ((option = getopt(argc, argv, "c:fht")) != -1) {
		switch (option) {
		case 'c':
			options.conf_path = optarg;
			break;
		case 'f':
			options.foreground = true;
			break;
		case 'h':
			print_usage(stdout, program);
			exit(EX_OK);
		case 't':
			options.test = true;
			break;
		default:
			print_usage(stderr, program);
			exit(EX_USAGE);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "%s: \"%s\": no argument is expected\n",
		    program, argv[optind]);
		print_usage(stderr, program);
		exit(EX_USAGE);
	}
	return options;
}
