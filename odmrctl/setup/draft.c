/* SPDX-License-Identifier: ISC */
/*
 * odmrctl setup: a copy of Postfix's configuration, with main.cf and master.cf
 * as they are to be and links to all else. Postfix's programs and doctor tell
 * what they make of it before anything is changed.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <jansson.h>

#include "lib/postfix/program.h"
#include "setup.h"
#include "swap.h"

enum { READ_ERROR_SIZE = 512 };

/* ---- the directory ------------------------------------------------------- */

static bool
is_linked(const char *name)
{
	return name[0] != '.' && strcmp(name, "main.cf") != 0 &&
	    strcmp(name, "master.cf") != 0 && strcmp(name, SWAP_DIRECTORY) != 0;
}

static bool
link_others(const struct setup *setup)
{
	const char *original = setup->conf->postfix_config_directory;
	char *whole = realpath(original, NULL), *from, *to;
	DIR *dir = whole != NULL ? opendir(whole) : NULL;
	const struct dirent *one;
	bool ok = dir != NULL;

	while (ok && (one = readdir(dir)) != NULL) {
		if (!is_linked(one->d_name))
			continue;
		from = setup_text("%s/%s", whole, one->d_name);
		to = setup_text("%s/%s", setup->directory, one->d_name);
		ok = symlink(from, to) == 0;
		free(from);
		free(to);
	}
	if (dir != NULL)
		closedir(dir);
	free(whole);
	return ok;
}

/* For the same readers. As old as can be, for Postfix's programs wait until a
 * file is some seconds old. */
static bool
write_copy(const struct setup *setup, const char *name, const char *original,
    const struct cf *cf)
{
	const struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	char *path = setup_text("%s/%s", setup->directory, name);
	struct stat st;
	bool ok = false;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd != -1 && stat(original, &st) == 0)
		ok = write(fd, cf->text, cf->len) == (ssize_t)cf->len &&
		    fchown(fd, st.st_uid, st.st_gid) == 0 &&
		    fchmod(fd, st.st_mode & 0777) == 0 &&
		    futimens(fd, old) == 0;
	if (fd != -1)
		close(fd);
	free(path);
	return ok;
}

static int
write_all(const struct setup *setup)
{
	if (write_copy(setup, "main.cf", setup->main_path, &setup->main) &&
	    write_copy(setup, "master.cf", setup->master_path, &setup->master))
		return EX_OK;
	return complain(
	    EX_CANTCREAT, "%s: %s", setup->directory, strerror(errno));
}

int
draft_open(struct setup *setup)
{
	static const char template[] = "/tmp/odmr-setup.XXXXXX";

	setup->directory = must(strdup(template));
	if (mkdtemp(setup->directory) == NULL) {
		free(setup->directory);
		setup->directory = NULL;
		return complain(
		    EX_CANTCREAT, "%s: %s", template, strerror(errno));
	}
	/* doctor looks from it as other users. */
	if (chmod(setup->directory, 0755) == -1 || !link_others(setup))
		return complain(
		    EX_CANTCREAT, "%s: %s", setup->directory, strerror(errno));
	setup->draft = *setup->conf;
	setup->draft.postfix_config_directory = setup->directory;
	return draft_read(setup);
}

void
draft_close(struct setup *setup)
{
	postfix_free(&setup->postfix);
	if (setup->directory != NULL)
		swap_remove_directory(setup->directory);
	free(setup->directory);
	setup->directory = NULL;
}

int
draft_read(struct setup *setup)
{
	char error[POSTFIX_ERROR_SIZE];
	int code = write_all(setup);

	if (code != EX_OK)
		return code;
	postfix_free(&setup->postfix);
	if (postfix_load(&setup->postfix, &setup->draft, error))
		return EX_OK;
	return complain(
	    EX_CONFIG, "%s: %s", setup->conf->postfix_config_directory, error);
}

/* ---- what Postfix warns of ----------------------------------------------- */

/* The directories are no difference, nor the numbers of lines. */
static char *
normal(const struct setup *setup, const char *line)
{
	const char *const names[] = { setup->directory,
		setup->conf->postfix_config_directory };
	char *text = must(strdup(line)), *found;
	size_t len;

	for (int i = 0; i < 2; i++)
		while ((found = strstr(text, names[i])) != NULL) {
			len = strlen(names[i]);
			memmove(found, found + len, strlen(found + len) + 1);
		}
	while ((found = strstr(text, ", line ")) != NULL) {
		len = strlen(", line ");
		len += strspn(found + len, "0123456789");
		memmove(found, found + len, strlen(found + len) + 1);
	}
	return text;
}

static char *
warnings(const struct setup *setup, const char *directory)
{
	const char *const argv[] = { setup->conf->postconf_path, "-c",
		directory, "-n", NULL };
	const struct program postconf = { .argv = argv, .mixed = true };
	char *output, error[READ_ERROR_SIZE];

	if (!program_output(&postconf, &output, error, sizeof(error))) {
		free(output);
		return NULL;
	}
	return output;
}

static bool
has_line(const struct setup *setup, const char *text, const char *wanted)
{
	char *copy = must(strdup(text)), *rest = copy, *line, *one;
	bool has = false;

	while (!has && (line = strsep(&rest, "\n")) != NULL) {
		one = normal(setup, line);
		has = strcmp(one, wanted) == 0;
		free(one);
	}
	free(copy);
	return has;
}

static void
refuse_new_warnings(struct setup *setup, const char *before, char *after)
{
	char *line, *one;

	while ((line = strsep(&after, "\n")) != NULL) {
		if (strstr(line, "warning: ") == NULL)
			continue;
		one = normal(setup, line);
		if (!has_line(setup, before, one))
			setup_refuse(setup, "Postfix would say: %s",
			    strstr(one, "warning: "));
		free(one);
	}
}

static int
check_warnings(struct setup *setup)
{
	char *before = warnings(setup, setup->conf->postfix_config_directory);
	char *after = warnings(setup, setup->directory);
	bool known = before != NULL && after != NULL;

	if (known)
		refuse_new_warnings(setup, before, after);
	free(before);
	free(after);
	return known ? EX_OK
		     : complain(EX_UNAVAILABLE, "%s -n fails",
			   setup->conf->postconf_path);
}

/* ---- tables -------------------------------------------------------------- */

/* One that cannot be read makes Postfix refuse all mail for now. */
static void
check_table(struct setup *setup, const char *template)
{
	char *table = wish_text(setup, template), error[READ_ERROR_SIZE];
	const char *const argv[] = { setup->conf->postmap_path, "-c",
		setup->directory, "-q", "odmr.invalid", table, NULL };
	const struct program postmap = { .argv = argv, .also = 1 };

	if (!program_run(&postmap, error, sizeof(error)))
		setup_refuse(setup, "%s: cannot be read: %s", table, error);
	free(table);
}

static void
check_tables(struct setup *setup)
{
	static const char *const done[] = { "relay_domains",
		"fast_flush_domains", "smtpd_command_filter" };

	for (size_t i = 0; i < wish_count; i++)
		for (size_t k = 0; k < sizeof(done) / sizeof(done[0]); k++)
			if (strcmp(wishes[i].name, done[k]) == 0)
				check_table(setup, wishes[i].value);
}

/* ---- doctor -------------------------------------------------------------- */

static json_t *
doctor_errors(const struct setup *setup, const struct conf *conf)
{
	struct context ctx = { .conf_path = setup->ctx->conf_path };
	const struct arguments args = { .json = true };
	json_t *report;

	ctx.conf = *conf;
	ctx.out = must(open_memstream(&ctx.text, &ctx.len));
	cmd_doctor(&ctx, &args);
	if (fclose(ctx.out) == EOF)
		err(EX_OSERR, "out of memory");
	report = json_loads(ctx.text, 0, NULL);
	free(ctx.text);
	return report;
}

static bool
is_among(const struct setup *setup, json_t *findings, const char *name,
    const char *what)
{
	json_t *finding;
	bool found = false;
	size_t i;
	char *one;

	json_array_foreach(findings, i, finding)
	{
		one = normal(
		    setup, json_string_value(json_object_get(finding, "what")));
		found = found ||
		    (strcmp(name,
			 json_string_value(json_object_get(finding, "name"))) ==
			    0 &&
			strcmp(one, what) == 0);
		free(one);
	}
	return found;
}

static void
refuse_new_errors(struct setup *setup, json_t *before, json_t *after)
{
	const char *name, *what;
	json_t *finding;
	size_t i;
	char *one;

	json_array_foreach(after, i, finding)
	{
		name = json_string_value(json_object_get(finding, "severity"));
		if (strcmp(name, "error") != 0)
			continue;
		name = json_string_value(json_object_get(finding, "name"));
		what = json_string_value(json_object_get(finding, "what"));
		one = normal(setup, what);
		if (!is_among(setup, before, name, one))
			setup_refuse(setup, "doctor would say: %s: %s: %s",
			    name, what,
			    json_string_value(
				json_object_get(finding, "effect")));
		free(one);
	}
}

int
draft_check(struct setup *setup, bool doctor)
{
	json_t *before, *after;
	int code;

	check_tables(setup);
	code = check_warnings(setup);
	if (code != EX_OK || !doctor || !STAILQ_EMPTY(&setup->obstacles))
		return code;
	before = doctor_errors(setup, setup->conf);
	after = doctor_errors(setup, &setup->draft);
	refuse_new_errors(setup, json_object_get(before, "findings"),
	    json_object_get(after, "findings"));
	json_decref(before);
	json_decref(after);
	return EX_OK;
}
