/* SPDX-License-Identifier: ISC */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/postfix/program.h"
#include "queue_file.h"

enum { REASON_SIZE = 256 };

/* "NAME -c DIRECTORY OPTION ID", NAME being beside postqueue. What it says
 * comes in `*said`, which is owned. */
static bool
run_tool(struct context *ctx, const char *name, const char *option,
    const char *id, char **said, char reason[REASON_SIZE])
{
	const char *postqueue = ctx->conf.postqueue_path;
	const char *slash = strrchr(postqueue, '/');
	int dir = slash != NULL ? (int)(slash - postqueue) + 1 : 0;
	char *path;
	const char *argv[] = { NULL, "-c", ctx->conf.postfix_config_directory,
		option, id, NULL };
	const struct program tool = { .argv = argv, .mixed = true };
	bool succeeded;

	if (asprintf(&path, "%.*s%s", dir, postqueue, name) == -1)
		err(EX_OSERR, "out of memory");
	argv[0] = path;
	succeeded = program_output(&tool, said, reason, REASON_SIZE);
	free(path);
	must(*said);
	return succeeded;
}

/* Its own first line tells more than the exit status, if it has one. */
static int
tool_failed(const char *id, char *said, const char *reason)
{
	said[strcspn(said, "\n")] = '\0';
	return complain(EX_UNAVAILABLE, "message %s: %s%s%s", id, reason,
	    said[0] != '\0' ? ": " : "", said);
}

int
queue_file_envelope(struct context *ctx, const char *id, char **envelope)
{
	char reason[REASON_SIZE] = "";
	int code = EX_NOINPUT;

	if (run_tool(ctx, "postcat", "-eq", id, envelope, reason))
		return EX_OK;
	if (strstr(*envelope, "open queue file") == NULL ||
	    strstr(*envelope, strerror(ENOENT)) == NULL)
		code = tool_failed(id, *envelope, reason);
	free(*envelope);
	*envelope = NULL;
	return code;
}

int
queue_file_release(struct context *ctx, const char *id)
{
	char *said, reason[REASON_SIZE] = "";
	int code = EX_OK;

	if (!run_tool(ctx, "postqueue", "-i", id, &said, reason))
		code = tool_failed(id, said, reason);
	free(said);
	return code;
}

/* postsuper succeeds also where there was nothing to delete. */
int
queue_file_delete(struct context *ctx, const char *id)
{
	char *said, reason[REASON_SIZE] = "";
	int code = EX_OK;

	if (!run_tool(ctx, "postsuper", "-d", id, &said, reason))
		code = tool_failed(id, said, reason);
	else if (strstr(said, "Deleted: 1 message") == NULL)
		code = EX_NOINPUT;
	free(said);
	return code;
}
