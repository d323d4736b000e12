/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <sysexits.h>

#include "lib/daemon.h"
#include "odmrctl.h"

static void
tell_ended(const char *line, void *arg)
{
	const char *id = daemon_behind(line, "ended"), *login;
	struct context *ctx = arg;

	login = id != NULL ? strchr(id, ' ') : NULL;
	if (login != NULL)
		fprintf(ctx->out, "session %.*s of account %s ended\n",
		    (int)(login - id), id, login + 1);
}

int
daemon_recheck(struct context *ctx)
{
	char fault[DAEMON_FAULT_SIZE];

	if (daemon_ask(&ctx->conf, "recheck", tell_ended, ctx, fault) !=
	    DAEMON_SILENT)
		return EX_OK;
	say_now(ctx);
	return complain(EX_UNAVAILABLE,
	    "it is done, but odmrd cannot be told, and ends the sessions that "
	    "it concerns within a minute: %s: %s",
	    ctx->conf.control_socket, fault);
}
