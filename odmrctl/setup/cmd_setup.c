/* SPDX-License-Identifier: ISC */
/*
 * odmrctl setup: what is wanted, what is asked, and in which order.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/postfix/program.h"
#include "run.h"
#include "undo.h"

/* The exit status of --check; refusals have the codes of sysexits(3). */
enum { EXIT_TO_DO = 1 };
enum { READ_ERROR_SIZE = 512 };

/* ---- what it would do ---------------------------------------------------- */

static int
tell_obstacles(const struct setup *setup)
{
	const struct remark *remark;

	if (STAILQ_EMPTY(&setup->obstacles))
		return EX_OK;
	STAILQ_FOREACH(remark, &setup->obstacles, entry)
	complain(EX_CONFIG, "%s", remark->text);
	return complain(EX_CONFIG, "nothing was changed");
}

static int
show_diff(const struct setup *setup, const char *path, const char *name)
{
	char *copy = setup_text("%s/%s", setup->directory, name);
	const char *const argv[] = { "/usr/bin/diff", "-u", "-L", path, "-L",
		path, path, copy, NULL };
	const struct program diff = { .argv = argv, .also = 1 };
	char *output, error[READ_ERROR_SIZE];
	int code = EX_OK;

	if (program_output(&diff, &output, error, sizeof(error)))
		fputs(output, setup->ctx->out);
	else
		code = complain(EX_UNAVAILABLE, "%s", error);
	free(output);
	free(copy);
	return code;
}

/* With what the operator should know. */
static int
show(const struct setup *setup)
{
	const struct remark *remark;
	int code = show_diff(setup, setup->main_path, "main.cf");

	if (code == EX_OK)
		code = show_diff(setup, setup->master_path, "master.cf");
	STAILQ_FOREACH(remark, &setup->notes, entry)
	fprintf(setup->ctx->out, "note: %s\n", remark->text);
	return code;
}

static int
ask(struct setup *setup, const struct arguments *args)
{
	char answer[16];
	int code = say_now(setup->ctx);

	draft_close(setup); /* he may end us now */
	if (code != EX_OK || args->yes)
		return code;
	if (isatty(STDIN_FILENO) == 0)
		return complain(EX_USAGE,
		    "setup asks before it changes anything: without a terminal "
		    "it needs --yes");
	fprintf(stderr, "Change %s and reload Postfix? [y/N] ",
	    setup->conf->postfix_config_directory);
	if (fgets(answer, sizeof(answer), stdin) != NULL &&
	    (answer[0] == 'y' || answer[0] == 'Y'))
		return EX_OK;
	return complain(EX_DATAERR, "nothing was changed");
}

static bool
is_changed(const struct cf *cf, const struct piece *now)
{
	return cf->len != now->len || memcmp(cf->text, now->text, cf->len) != 0;
}

/* ---- there --------------------------------------------------------------- */

/* What --undo is to bring back: what is there now, but for what we have put
 * there before. */
static void
find_before(const struct setup *setup, struct swap *swap)
{
	struct piece before[SWAP_FILES] = { 0 }, then[SWAP_FILES] = { 0 };

	if (swap_read_record(swap->directory, before, then))
		undo_merge_into(setup, before, then, swap->before);
	else
		for (int i = 0; i < SWAP_FILES; i++)
			swap->before[i] =
			    (struct piece) { must(strdup(swap->now[i].text)),
				    swap->now[i].len };
	swap_free_pieces(before);
	swap_free_pieces(then);
}

static int
make_it_so(struct setup *setup, struct swap *swap)
{
	swap->then[SWAP_MAIN] =
	    (struct piece) { setup->main.text, setup->main.len };
	swap->then[SWAP_MASTER] =
	    (struct piece) { setup->master.text, setup->master.len };
	return run_swap(setup, swap);
}

static int
join(struct setup *setup, const struct arguments *args, struct swap *swap)
{
	bool changes;
	int code;

	find_before(setup, swap);
	code = join_all(setup);
	changes = is_changed(&setup->main, &swap->now[SWAP_MAIN]) ||
	    is_changed(&setup->master, &swap->now[SWAP_MASTER]);
	if (code == EX_OK && STAILQ_EMPTY(&setup->obstacles) && changes)
		code = draft_check(setup, !args->check && !args->diff);
	if (code == EX_OK)
		code = tell_obstacles(setup);
	if (code != EX_OK || (changes && args->check))
		return code != EX_OK ? code : EXIT_TO_DO;
	if (changes)
		code = show(setup);
	else
		fprintf(setup->ctx->out, "nothing to do\n");
	if (code != EX_OK || args->check || args->diff)
		return code;
	if (changes)
		code = ask(setup, args);
	if (code == EX_OK && changes)
		code = make_it_so(setup, swap);
	if (code == EX_OK)
		cmd_doctor(setup->ctx, &(struct arguments) { 0 });
	return code;
}

/* ---- and back ------------------------------------------------------------ */

static int
undo(struct setup *setup, const struct arguments *args, struct swap *swap)
{
	struct piece before[SWAP_FILES] = { 0 }, then[SWAP_FILES] = { 0 };
	bool done = swap_read_record(swap->directory, before, then);
	int code = EX_OK;

	if (done)
		undo_merge(setup, before, then);
	swap_free_pieces(before);
	swap_free_pieces(then);
	if (!done) {
		fprintf(setup->ctx->out, "nothing to undo\n");
		return EX_OK;
	}
	if (STAILQ_EMPTY(&setup->obstacles))
		code = draft_read(setup);
	if (code == EX_OK)
		code = tell_obstacles(setup);
	if (code == EX_OK && !args->check)
		code = show(setup);
	if (code != EX_OK || args->check || args->diff)
		return code == EX_OK && args->check ? EXIT_TO_DO : code;
	undo_warn_of_held_mail(setup);
	code = ask(setup, args);
	if (code == EX_OK)
		code = make_it_so(setup, swap);
	return code;
}

/* ---- the command --------------------------------------------------------- */

static int
read_files(struct setup *setup, struct swap *swap)
{
	char *const paths[] = { setup->main_path, setup->master_path };
	struct cf *const files[] = { &setup->main, &setup->master };
	char error[CF_ERROR_SIZE];
	int code = EX_OK;
	char *copy;

	for (int i = 0; code == EX_OK && i < SWAP_FILES; i++) {
		code = swap_read(paths[i], &swap->now[i]);
		if (code != EX_OK)
			break;
		copy = must(malloc(swap->now[i].len + 1));
		memcpy(copy, swap->now[i].text, swap->now[i].len + 1);
		if (!cf_parse(files[i], paths[i], i == SWAP_MASTER, copy,
			swap->now[i].len, error))
			code = complain(EX_CONFIG, "%s", error);
	}
	return code;
}

/* odmrd asks the Postfix that odmr.conf names. */
static int
check_directory(const struct setup *setup)
{
	const char *own = setup->ctx->conf.postfix_config_directory;
	char *one = realpath(own, NULL);
	char *other = realpath(setup->conf->postfix_config_directory, NULL);
	bool same = one != NULL && other != NULL && strcmp(one, other) == 0;

	free(one);
	free(other);
	return same ? EX_OK
		    : complain(EX_CONFIG,
			  "%s: postfix_config_directory is %s: odmrd would ask "
			  "that Postfix; set it to %s first",
			  setup->ctx->conf_path, own,
			  setup->conf->postfix_config_directory);
}

/* What somebody else has left half done comes first. */
static int
begin(struct setup *setup, const struct arguments *args)
{
	const char *directory = setup->conf->postfix_config_directory;
	int code;

	if (geteuid() != 0)
		return complain(EX_NOPERM, "only root may set Postfix up");
	code = swap_lock(directory);
	if (code == EX_OK && !args->check && !args->diff)
		code = check_directory(setup);
	if (code != EX_OK)
		return code;
	if (args->check || args->diff)
		return swap_is_pending(directory)
		    ? complain(EX_TEMPFAIL,
			  "%s: a setup was interrupted; run odmrctl setup or "
			  "odmrctl setup --undo",
			  directory)
		    : EX_OK;
	return run_recover(setup);
}

static int
work(struct setup *setup, const struct arguments *args, struct swap *swap)
{
	int code = begin(setup, args);

	if (code == EX_OK)
		code = read_files(setup, swap);
	if (code == EX_OK)
		code = draft_open(setup);
	if (code == EX_OK)
		code = args->undo ? undo(setup, args, swap)
				  : join(setup, args, swap);
	draft_close(setup);
	return code;
}

int
cmd_setup(struct context *ctx, const struct arguments *args)
{
	struct conf conf = ctx->conf;
	struct setup setup = { .ctx = ctx, .conf = &conf };
	struct swap swap = { .undo = args->undo };
	int code;

	if (args->config != NULL)
		/* conf has only borrowed its strings */
		conf.postfix_config_directory = must(strdup(args->config));
	swap.directory = conf.postfix_config_directory;
	setup.main_path = setup_text("%s/main.cf", swap.directory);
	setup.master_path = setup_text("%s/master.cf", swap.directory);
	STAILQ_INIT(&setup.obstacles);
	STAILQ_INIT(&setup.notes);
	code = work(&setup, args, &swap);
	swap_free_pieces(swap.now);
	swap_free_pieces(swap.before);
	cf_free(&setup.main);
	cf_free(&setup.master);
	setup_free_remarks(&setup.obstacles);
	setup_free_remarks(&setup.notes);
	free(setup.main_path);
	free(setup.master_path);
	if (args->config != NULL)
		free(conf.postfix_config_directory);
	return code;
}
