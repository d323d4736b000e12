/* SPDX-License-Identifier: ISC */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/postfix/program.h"
#include "run.h"

enum { RUN_ERROR_SIZE = 512 };

/* Beside postconf(1). */
static bool
postfix(
    const struct setup *setup, const char *command, char error[RUN_ERROR_SIZE])
{
	const char *near = setup->conf->postconf_path;
	char *path =
	    setup_text("%.*s/postfix", (int)(strrchr(near, '/') - near), near);
	const char *const argv[] = { path, "-c",
		setup->conf->postfix_config_directory, command, NULL };
	const struct program program = { .argv = argv };
	bool ok = program_run(&program, error, RUN_ERROR_SIZE);

	free(path);
	return ok;
}

static bool
is_running(const struct setup *setup)
{
	char error[RUN_ERROR_SIZE];

	return postfix(setup, "status", error);
}

/* What is begun is done whole, whoever closes the terminal. */
static void
set_signals(void (*to)(int))
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], to);
}

static int
put_back(
    struct setup *setup, bool reloaded, const char *command, const char *error)
{
	const char *directory = setup->conf->postfix_config_directory;
	char more[RUN_ERROR_SIZE];
	bool changed;
	int code = swap_recover(directory, &changed);

	if (code == EX_OK && reloaded && !postfix(setup, "reload", more))
		complain(EX_UNAVAILABLE, "postfix reload: %s", more);
	return code != EX_OK
	    ? code
	    : complain(EX_UNAVAILABLE,
		  "postfix %s: %s: all is as it was; the mail log may tell "
		  "more",
		  command, error);
}

static int
swap_whole(struct setup *setup, const struct swap *swap, bool running)
{
	char error[RUN_ERROR_SIZE];
	int code = swap_apply(swap);

	if (code != EX_OK)
		return code;
	if (!postfix(setup, "check", error))
		return put_back(setup, false, "check", error);
	if (running && !postfix(setup, "reload", error))
		return put_back(setup, true, "reload", error);
	return swap_commit(swap);
}

int
run_swap(struct setup *setup, const struct swap *swap)
{
	bool running = is_running(setup);
	char error[RUN_ERROR_SIZE];
	int code;

	if (!postfix(setup, "check", error))
		return complain(EX_CONFIG,
		    "postfix check fails as it is: %s: nothing was changed",
		    error);
	set_signals(SIG_IGN);
	code = swap_whole(setup, swap, running);
	set_signals(SIG_DFL);
	if (code == EX_OK)
		fprintf(setup->ctx->out,
		    running ? "done, Postfix has reloaded\n"
			    : "done; Postfix is not running\n");
	return code;
}

int
run_recover(struct setup *setup)
{
	char error[RUN_ERROR_SIZE];
	bool changed = false;
	int code;

	code = swap_recover(setup->conf->postfix_config_directory, &changed);
	if (code != EX_OK || !changed)
		return code;
	fprintf(setup->ctx->out,
	    "a setup was interrupted: its changes are taken back\n");
	if (is_running(setup) && !postfix(setup, "reload", error))
		return complain(EX_UNAVAILABLE, "postfix reload: %s", error);
	return EX_OK;
}
