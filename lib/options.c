/* SPDX-License-Identifier: ISC */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "conf.h"
#include "options.h"
#include "streams.h"
#include "version.h"

static void
print_usage(FILE *to, const char *program)
{
	fprintf(to,
	    "usage: %s [-fht] [-c file]\n"
	    "  -c file     read this configuration instead of %s\n"
	    "  -f          stay in the foreground and log to standard error\n"
	    "  -h, --help  show this\n"
	    "  -t          say whether it would start, and exit\n"
	    "  --version   show the version\n",
	    program, CONF_DEFAULT_PATH);
}

struct options
options_parse(const char *program, int argc, char **argv)
{
	static const struct option names[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct options options = { .conf_path = CONF_DEFAULT_PATH };
	int option;

	while ((option = getopt_long(argc, argv, "c:fht", names, NULL)) != -1) {
		switch (option) {
		case 'c':
			options.conf_path = optarg;
			break;
		case 'f':
			options.foreground = true;
			break;
		case 'h':
			print_usage(stdout, program);
			exit(streams_flush() ? EX_OK : EX_IOERR);
		case 't':
			options.test = true;
			break;
		case 'V':
			version_show(program);
			exit(streams_flush() ? EX_OK : EX_IOERR);
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
