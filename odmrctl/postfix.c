/* SPDX-License-Identifier: ISC */
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "postfix.h"

enum { ARGUMENTS = 6 };

extern char **environ;

/* Both outputs of the child go to `output`. An errno. */
static int
spawn(const char *const argv[], int output, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	int error = posix_spawn_file_actions_init(&actions);

	if (error != 0)
		return error;
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, output, 1);
	posix_spawn_file_actions_adddup2(&actions, output, 2);
	/* POSIX: argv is not written to. */
	error = posix_spawn(pid, argv[0], &actions, NULL,
	    (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

static char *
read_all(int fd)
{
	char *text = NULL, bytes[4096];
	size_t len = 0;
	ssize_t n;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		err(EX_OSERR, "out of memory");
	while ((n = read(fd, bytes, sizeof(bytes))) != 0)
		if (n > 0)
			fwrite(bytes, 1, (size_t)n, out);
		else if (errno != EINTR)
			break;
	if (fclose(out) == EOF)
		err(EX_OSERR, "out of memory");
	return text;
}

/* Runs it to its end. `*said` is owned. */
static int
run(const char *const argv[], bool *succeeded, char **said)
{
	int ends[2], error, status = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) == -1)
		return complain(EX_OSERR, "pipe: %s", strerror(errno));
	error = spawn(argv, ends[1], &pid);
	close(ends[1]);
	if (error != 0) {
		close(ends[0]);
		return complain(
		    EX_UNAVAILABLE, "%s: %s", argv[0], strerror(error));
	}
	*said = read_all(ends[0]);
	close(ends[0]);
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		continue;
	*succeeded = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	return EX_OK;
}

/* "NAME -c DIRECTORY OPTION ID", NAME being beside postqueue. */
static int
run_tool(struct context *ctx, const char *name, const char *option,
    const char *id, bool *succeeded, char **said)
{
	const char *postqueue = ctx->conf.postqueue_path;
	const char *slash = strrchr(postqueue, '/');
	size_t dir = slash != NULL ? (size_t)(slash - postqueue) + 1 : 0;
	char path[PATH_MAX];
	const char *const argv[ARGUMENTS] = { path, "-c",
		ctx->conf.postfix_config_directory, option, id, NULL };
	int n;

	n = snprintf(path, sizeof(path), "%.*s%s", (int)dir, postqueue, name);
	if (n >= (int)sizeof(path))
		return complain(EX_CONFIG, "postqueue_path is too long");
	return run(argv, succeeded, said);
}

/* Its first line tells. */
static int
tool_failed(const char *name, const char *id, char *said)
{
	said[strcspn(said, "\n")] = '\0';
	return complain(
	    EX_UNAVAILABLE, "message %s: %s failed: %s", id, name, said);
}

int
postfix_envelope(struct context *ctx, const char *id, char **envelope)
{
	bool succeeded;
	int code = run_tool(ctx, "postcat", "-eq", id, &succeeded, envelope);

	if (code != EX_OK || succeeded)
		return code;
	code = strstr(*envelope, strerror(ENOENT)) != NULL
	    ? EX_NOINPUT
	    : tool_failed("postcat", id, *envelope);
	free(*envelope);
	*envelope = NULL;
	return code;
}

int
postfix_release(struct context *ctx, const char *id)
{
	bool succeeded;
	char *said;
	int code = run_tool(ctx, "postqueue", "-i", id, &succeeded, &said);

	if (code != EX_OK)
		return code;
	if (!succeeded)
		code = tool_failed("postqueue", id, said);
	free(said);
	return code;
}

/* postsuper succeeds also where there was nothing to delete. */
int
postfix_delete(struct context *ctx, const char *id)
{
	bool succeeded;
	char *said;
	int code = run_tool(ctx, "postsuper", "-d", id, &succeeded, &said);

	if (code != EX_OK)
		return code;
	if (!succeeded)
		code = tool_failed("postsuper", id, said);
	else if (strstr(said, "Deleted: 1 message") == NULL)
		code = EX_NOINPUT;
	free(said);
	return code;
}
