/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <unistd.h>

#include "postqueue.h"

extern char **environ;

static int
spawn(const char *path, const char *const *argv, int output, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	int error = posix_spawn_file_actions_init(&actions);

	if (error != 0)
		return error;
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, output, 1);
	posix_spawn_file_actions_adddup2(&actions, output, 2);
	/* POSIX: argv is not written to. */
	error = posix_spawn(
	    pid, path, &actions, NULL, (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

int
postqueue_spawn(const struct conf *conf, const char *option,
    const char *operand, pid_t *pid, int *output)
{
	const char *const argv[] = { conf->postqueue_path, "-c",
		conf->postfix_config_directory, option, operand, NULL };
	int ends[2], error;

	if (pipe2(ends, O_CLOEXEC) == -1)
		return errno;
	/* Only our end: the child's writes must wait for us. */
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	error = spawn(conf->postqueue_path, argv, ends[1], pid);
	close(ends[1]);
	if (error != 0)
		close(ends[0]);
	else
		*output = ends[0];
	return error;
}
