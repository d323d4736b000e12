/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: runs the checks and keeps what they find.
 */
#include <err.h>
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "doctor.h"
#include "odmrctl/rights.h"

/* As with monitoring plug-ins; refusals have the codes of sysexits(3). */
enum { EXIT_WARNINGS = 1, EXIT_BROKEN = 2 };
enum { BUSY_MS = 2000 };

/* Those that ask the databases are as their user. */
static const struct {
	doctor_check *check;
	bool asks;
} checks[] = {
	{ check_files, false },
	{ check_sockets, false },
	{ check_database_file, false },
	{ check_database, true },
	{ check_tables, true },
	{ check_twice, false },
	{ check_settings, false },
	{ check_etrn, false },
	{ check_milter_settings, false },
	{ check_milter_answer, false },
	{ check_filters, false },
	{ check_domains, true },
	{ check_recipients, true },
	{ check_accounts, true },
	{ check_loops, true },
	{ check_certificate, false },
	{ check_daemon, false },
	{ check_programs, false },
	{ check_firewall, false },
	{ check_tags, true },
};

/* ---- what the checks call ------------------------------------------------ */

const char *
doctor_keep(struct doctor *doctor, const char *fmt, va_list ap)
{
	struct text *kept = must(malloc(sizeof(*kept)));

	if (vasprintf(&kept->text, fmt, ap) == -1)
		err(EX_OSERR, "out of memory");
	SLIST_INSERT_HEAD(&doctor->texts, kept, entry);
	return kept->text;
}

const char *
doctor_text(struct doctor *doctor, const char *fmt, ...)
{
	const char *text;
	va_list ap;

	va_start(ap, fmt);
	text = doctor_keep(doctor, fmt, ap);
	va_end(ap);
	return text;
}

void
doctor_find(struct doctor *doctor, enum finding finding, const char *where,
    const char *cure, const char *fmt, ...)
{
	struct found *found;
	const char *what;
	va_list ap;

	va_start(ap, fmt);
	what = doctor_keep(doctor, fmt, ap);
	va_end(ap);
	STAILQ_FOREACH(found, &doctor->found, entry)
	if (found->finding == finding && strcmp(found->where, where) == 0 &&
	    strcmp(found->what, what) == 0)
		return;
	found = must(malloc(sizeof(*found)));
	*found = (struct found) {
		.finding = finding, .where = where, .what = what, .cure = cure
	};
	STAILQ_INSERT_TAIL(&doctor->found, found, entry);
	doctor->counts[finding_kinds[finding].severity]++;
}

void
doctor_unseen(struct doctor *doctor, const char *path)
{
	doctor_find(doctor, UNSEEN, path,
	    doctor_text(doctor, "sudo %s", doctor_odmrctl(doctor, "doctor")),
	    "not readable for this user");
}

bool
doctor_is_unseen(struct doctor *doctor, const char *path)
{
	bool unseen =
	    geteuid() != 0 && access(path, R_OK) == -1 && errno == EACCES;

	if (unseen)
		doctor_unseen(doctor, path);
	return unseen;
}

/* ---- the command --------------------------------------------------------- */

static void
load_postfix(struct doctor *doctor, struct postfix *postfix)
{
	const char *directory = doctor->conf->postfix_config_directory;
	char error[POSTFIX_ERROR_SIZE];

	doctor->main_cf = doctor_text(doctor, "%s/main.cf", directory);
	doctor->master_cf = doctor_text(doctor, "%s/master.cf", directory);
	if (access(doctor->conf->postconf_path, X_OK) == -1)
		return; /* check_files tells */
	if (postfix_load(postfix, doctor->conf, error))
		doctor->postfix = postfix;
	else
		doctor_find(doctor, POSTFIX_UNREADABLE, doctor->ctx->conf_path,
		    doctor_edit(doctor, NULL,
			"postfix_config_directory, postconf_path"),
		    "postconf -c %s: %s", directory, error);
}

static void
free_doctor(struct doctor *doctor)
{
	struct found *found;
	struct text *text;

	while ((found = STAILQ_FIRST(&doctor->found)) != NULL) {
		STAILQ_REMOVE_HEAD(&doctor->found, entry);
		free(found);
	}
	while ((text = SLIST_FIRST(&doctor->texts)) != NULL) {
		SLIST_REMOVE_HEAD(&doctor->texts, entry);
		free(text->text);
		free(text);
	}
	store_free(&doctor->store);
}

static void
run_checks(struct doctor *doctor)
{
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		if (checks[i].asks && doctor->store != NULL &&
		    rights_lay_off(doctor->conf) != EX_OK)
			store_free(&doctor->store);
		checks[i].check(doctor);
		rights_take_up();
	}
}

/* As ssh takes it, and as no option of it. */
static bool
is_host(const char *text)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				      "@%:._-";

	return text[0] != '\0' && text[0] != '-' &&
	    text[strspn(text, allowed)] == '\0';
}

int
cmd_doctor(struct context *ctx, const struct arguments *args)
{
	struct doctor doctor = { .ctx = ctx, .conf = &ctx->conf };
	struct postfix postfix = { 0 };
	int code = EX_OK;

	if (args->from != NULL && !is_host(args->from))
		return complain(
		    EX_USAGE, "--from %s: is no name of a host", args->from);
	doctor.from = args->from;
	signal(SIGPIPE, SIG_IGN);
	STAILQ_INIT(&doctor.found);
	doctor.store = must(store_new_reader(&ctx->conf, BUSY_MS));
	if (getpwnam(ctx->conf.user) == NULL)
		store_free(&doctor.store); /* check_files tells */
	load_postfix(&doctor, &postfix);
	run_checks(&doctor);
	doctor_report(&doctor, args->json);
	if (doctor.counts[SEVERITY_ERROR] > 0)
		code = EXIT_BROKEN;
	else if (doctor.counts[SEVERITY_WARNING] > 0)
		code = EXIT_WARNINGS;
	free_doctor(&doctor);
	postfix_free(&postfix);
	return code;
}
