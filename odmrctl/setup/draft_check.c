/* SPDX-License-Identifier: ISC */
/*
 * odmrctl setup: what Postfix and doctor say of the copy that they do not say
 * of the true configuration.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <jansson.h>

#include "lib/postfix/program.h"
#include "setup.h"

enum { READ_ERROR_SIZE = 512 };

/* ---- what Postfix warns of ----------------------------------------------- */

/* With `to` in the place of each `from`; to be freed. */
static char *
replaced(const char *text, const char *from, const char *to)
{
	char *done = setup_text("%s", ""), *more;
	const char *found;

	for (; (found = strstr(text, from)) != NULL;
	     text = found + strlen(from)) {
		more =
		    setup_text("%s%.*s%s", done, (int)(found - text), text, to);
		free(done);
		done = more;
	}
	more = setup_text("%s%s", done, text);
	free(done);
	return more;
}

/* What was said of the copy, of the true files. */
static char *
of_the_true(const struct setup *setup, const char *text)
{
	return replaced(
	    text, setup->directory, setup->conf->postfix_config_directory);
}

/* The same, without the numbers of lines. */
static char *
normal(const struct setup *setup, const char *line)
{
	char *text = of_the_true(setup, line), *found;
	size_t len;

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

static const char *
member(json_t *finding, const char *key)
{
	return json_string_value(json_object_get(finding, key));
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

/* A domain of ours that is not served well was not served at all before, and
 * that is told with its cure when all is done. */
static bool
is_of_a_domain(const char *name)
{
	static const char *const names[] = { "not-relayed", "not-flushed",
		"no-transport", "wrong-transport", "local-domain",
		"no-recipient", "recipient-probed", "loop" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static void
refuse_new_errors(struct setup *setup, json_t *before, json_t *after)
{
	json_t *finding;
	const char *name;
	char *one, *cure;
	size_t i;

	json_array_foreach(after, i, finding)
	{
		name = member(finding, "name");
		if (strcmp(member(finding, "severity"), "error") != 0 ||
		    is_of_a_domain(name))
			continue;
		one = normal(setup, member(finding, "what"));
		cure = of_the_true(setup, member(finding, "cure"));
		if (!is_among(setup, before, name, one))
			setup_refuse(setup,
			    "doctor would say: %s: %s: %s The cure: %s", name,
			    one, member(finding, "effect"), cure);
		free(cure);
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
