/* SPDX-License-Identifier: ISC */
#include "postqueue.h"
#include "program.h"

enum { ARGV = 6 };

static void
arrange(const struct conf *conf, const char *option, const char *operand,
    const char *argv[ARGV])
{
	argv[0] = conf->postqueue_path;
	argv[1] = "-c";
	argv[2] = conf->postfix_config_directory;
	argv[3] = option;
	argv[4] = operand;
	argv[5] = NULL;
}

int
postqueue_spawn(const struct conf *conf, const char *option,
    const char *operand, pid_t *pid, int *output)
{
	const char *argv[ARGV];

	arrange(conf, option, operand, argv);
	return program_spawn(argv, pid, output);
}

bool
postqueue_run(const struct conf *conf, const char *option, program_take *take,
    void *arg, char *error, size_t size)
{
	const char *argv[ARGV];

	arrange(conf, option, NULL, argv);
	return program_run(argv, take, arg, error, size);
}
