/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "postqueue.h"
#include "program.h"
#include "lib/queue_id.h"

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
	const bool lists = strcmp(option, "-j") == 0;
	int errors = lists ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
	const char *argv[ARGV];
	int error;

	if (lists && errors == -1)
		return errno;
	if (strcmp(option, "-i") == 0 &&
	    (operand == NULL || !queue_id_valid(operand)))
		return EINVAL;
	arrange(conf, option, operand, argv);
	error = program_spawn(argv, errors, pid, output);
	if (lists)
		close(errors);
	return error;
}

bool
postqueue_list(const struct conf *conf, program_take *take, void *arg,
    char *error, size_t size)
{
	const char *argv[ARGV];
	const struct program list = { .argv = argv, .take = take, .arg = arg };

	arrange(conf, "-j", NULL, argv);
	return program_run(&list, error, size);
}

bool
postqueue_flush(
    const struct conf *conf, const char *domain, char *error, size_t size)
{
	const char *argv[ARGV];
	const struct program flush = { .argv = argv,
		.seconds = conf->flush_timeout };

	arrange(conf, "-s", domain, argv);
	return program_run(&flush, error, size);
}
