/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: runs the checks, keeps what they find, and prints it, the
 * worst first. With --json the keys are an interface, see odmrctl(8).
 */
#include <err.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "doctor.h"
#include "odmrctl/json.h"
#include "odmrctl/rights.h"
#include "odmrctl/table.h"

/* As with monitoring plug-ins; refusals have the codes of sysexits(3). */
enum { EXIT_WARNINGS = 1, EXIT_BROKEN = 2 };
enum { BUSY_MS = 2000, WIDTH = 80, INDENT = 4 };

struct found {
	enum finding finding;
	const char *where, *what, *cure;
	struct found *next; /* found before */
};

struct text {
	struct text *next;
	char *text;
};

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
	{ check_settings, false },
	{ check_etrn, false },
	{ check_milter_settings, false },
	{ check_milter_answer, false },
	{ check_domains, true },
	{ check_accounts, true },
	{ check_loops, true },
	{ check_certificate, false },
	{ check_daemon, false },
	{ check_tags, true },
};

/* ---- what the checks call ------------------------------------------------ */

static const char *__attribute__((format(printf, 2, 0)))
keep(struct doctor *doctor, const char *fmt, va_list ap)
{
	struct text *kept = malloc(sizeof(*kept));

	if (kept == NULL || vasprintf(&kept->text, fmt, ap) == -1)
		err(EX_OSERR, "out of memory");
	kept->next = doctor->texts;
	doctor->texts = kept;
	return kept->text;
}

const char *
doctor_text(struct doctor *doctor, const char *fmt, ...)
{
	const char *text;
	va_list ap;

	va_start(ap, fmt);
	text = keep(doctor, fmt, ap);
	va_end(ap);
	return text;
}

void
doctor_find(struct doctor *doctor, enum finding finding, const char *where,
    const char *cure, const char *fmt, ...)
{
	struct found *found = malloc(sizeof(*found));
	const char *what;
	va_list ap;

	va_start(ap, fmt);
	what = keep(doctor, fmt, ap);
	va_end(ap);
	if (found == NULL)
		err(EX_OSERR, "out of memory");
	*found = (struct found) { finding, where, what, cure, doctor->found };
	doctor->found = found;
	doctor->counts[finding_kinds[finding].severity]++;
}

void
doctor_unseen(struct doctor *doctor, const char *path)
{
	doctor_find(doctor, UNSEEN, path,
	    doctor_text(doctor, "sudo %s", doctor_odmrctl(doctor, "doctor")),
	    "not readable for this user");
}

/* Of a name that an operator has chosen. */
const char *
doctor_word(struct doctor *doctor, const char *name)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "@%+=:,./_-";
	const char *word = "", *rest = name, *quote;

	if (name[0] != '\0' && name[strspn(name, plain)] == '\0')
		return name;
	for (; (quote = strchr(rest, '\'')) != NULL; rest = quote + 1)
		word = doctor_text(
		    doctor, "%s%.*s'\\''", word, (int)(quote - rest), rest);
	return doctor_text(doctor, "'%s%s'", word, rest);
}

const char *
doctor_odmrctl(struct doctor *doctor, const char *fmt, ...)
{
	const char *path = doctor->ctx->conf_path, *command;
	va_list ap;

	va_start(ap, fmt);
	command = keep(doctor, fmt, ap);
	va_end(ap);
	if (strcmp(path, CONF_DEFAULT_PATH) == 0)
		return doctor_text(doctor, "odmrctl %s", command);
	return doctor_text(
	    doctor, "odmrctl -c %s %s", doctor_word(doctor, path), command);
}

static const char *
option_c(struct doctor *doctor)
{
	const char *directory = doctor->conf->postfix_config_directory;

	if (strcmp(directory, "/etc/postfix") == 0)
		return "";
	return doctor_text(doctor, " -c %s", directory);
}

const char *
doctor_cure(struct doctor *doctor, const char *name, const char *value)
{
	return doctor_text(
	    doctor, "postconf%s -e '%s = %s'", option_c(doctor), name, value);
}

const char *
doctor_cure_of(struct doctor *doctor, const struct service *service,
    const char *name, const char *value)
{
	return doctor_text(doctor, "postconf%s -P '%s/%s/%s=%s'",
	    option_c(doctor), service->name, service->type, name, value);
}

/* ---- printing ------------------------------------------------------------ */

/* Words of `text`, in lines that begin with `indent` blanks, as far as they
 * fit; a word that is too long stays whole. */
static void
print_wrapped(FILE *out, const char *text, size_t indent)
{
	size_t column = 0, len;
	char word[1024];

	while (*(text += strspn(text, " \n")) != '\0') {
		len = strcspn(text, " \n");
		snprintf(word, sizeof(word), "%.*s", (int)len, text);
		if (column == 0 || column + 1 + len > WIDTH) {
			fprintf(out, "%s%*s", column == 0 ? "" : "\n",
			    (int)indent, "");
			column = indent;
		} else {
			putc(' ', out);
			column++;
		}
		table_text(out, word);
		column += len;
		text += len;
	}
	putc('\n', out);
}

/* The end of the shell's word that begins at `text`. */
static size_t
shell_word(const char *text)
{
	bool quoted = false;
	size_t i = 0;

	for (; text[i] != '\0' && (quoted || text[i] != ' '); i++)
		if (text[i] == '\'')
			quoted = !quoted;
	return i;
}

/* As it can be pasted: broken between the shell's words only. */
static void
print_cure(FILE *out, const char *text)
{
	size_t column = INDENT + 2, len;
	char *word;

	fprintf(out, "%*s%% ", INDENT, "");
	while (*text != '\0') {
		len = shell_word(text);
		word = strndup(text, len);
		if (word == NULL)
			err(EX_OSERR, "out of memory");
		if (column > INDENT + 2 && column + 1 + len + 2 > WIDTH) {
			fprintf(out, " \\\n%*s", INDENT + 4, "");
			column = INDENT + 4;
		} else if (column > INDENT + 2) {
			putc(' ', out);
			column++;
		}
		table_text(out, word);
		free(word);
		column += len;
		text += len;
		text += strspn(text, " ");
	}
	putc('\n', out);
}

static void
print_found(const struct doctor *doctor, const struct found *found)
{
	const struct finding_kind *kind = &finding_kinds[found->finding];
	FILE *out = doctor->ctx->out;

	fprintf(out, "%-8s%s\n", severity_name(kind->severity), kind->name);
	print_wrapped(out, found->where, INDENT);
	print_wrapped(out, found->what, INDENT);
	print_wrapped(out, kind->effect, INDENT);
	print_cure(out, found->cure);
}

static void
json_found(struct json *json, const struct found *found)
{
	const struct finding_kind *kind = &finding_kinds[found->finding];
	json_t *row = json_object();

	json_set_text(row, "name", kind->name);
	json_set_text(row, "severity", severity_name(kind->severity));
	json_set_text(row, "where", found->where);
	json_set_text(row, "what", found->what);
	json_set_text(row, "effect", kind->effect);
	json_set_text(row, "cure", found->cure);
	json_put(json, NULL, row);
}

/* The list has the last found first; it is printed in the checks' order. */
static void
turn_around(struct doctor *doctor)
{
	struct found *turned = NULL, *found;

	while ((found = doctor->found) != NULL) {
		doctor->found = found->next;
		found->next = turned;
		turned = found;
	}
	doctor->found = turned;
}

static void
print_all(const struct doctor *doctor, struct json *json)
{
	for (int severity = SEVERITIES - 1; severity >= 0; severity--)
		for (struct found *found = doctor->found; found != NULL;
		     found = found->next) {
			if ((int)finding_kinds[found->finding].severity !=
			    severity)
				continue;
			if (json != NULL)
				json_found(json, found);
			else
				print_found(doctor, found);
		}
}

static void
print_json(const struct doctor *doctor)
{
	struct json json;

	json_begin(&json, doctor->ctx->out);
	json_list(&json, "findings");
	print_all(doctor, &json);
	json_put(&json, "errors", json_integer(doctor->counts[SEVERITY_ERROR]));
	json_put(
	    &json, "warnings", json_integer(doctor->counts[SEVERITY_WARNING]));
	json_put(&json, "notes", json_integer(doctor->counts[SEVERITY_NOTE]));
	json_end(&json);
}

static void
print_table(struct doctor *doctor)
{
	const int *counts = doctor->counts;
	FILE *out = doctor->ctx->out;

	print_all(doctor, NULL);
	for (int severity = SEVERITIES - 1; severity >= 0; severity--)
		fprintf(out, "%d %s%s%s", counts[severity],
		    severity_name(severity), counts[severity] == 1 ? "" : "s",
		    severity > 0 ? ", " : "\n");
	if (counts[SEVERITY_ERROR] + counts[SEVERITY_WARNING] > 0)
		print_wrapped(out,
		    doctor_text(doctor,
			"Changes count after: postfix%s reload, SIGHUP for "
			"odmrd, SIGUSR1 for odmr-milter.",
			option_c(doctor)),
		    0);
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
		    doctor_text(doctor,
			"$EDITOR %s # postfix_config_directory, "
			"postconf_path",
			doctor->ctx->conf_path),
		    "postconf -c %s: %s", directory, error);
}

static void
free_doctor(struct doctor *doctor)
{
	struct found *found;
	struct text *text;

	while ((found = doctor->found) != NULL) {
		doctor->found = found->next;
		free(found);
	}
	while ((text = doctor->texts) != NULL) {
		doctor->texts = text->next;
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

int
cmd_doctor(struct context *ctx, const struct arguments *args)
{
	struct doctor doctor = { .ctx = ctx, .conf = &ctx->conf };
	struct postfix postfix = { 0 };
	int code = EX_OK;

	signal(SIGPIPE, SIG_IGN);
	doctor.store = store_new_reader(&ctx->conf, BUSY_MS);
	if (doctor.store == NULL)
		err(EX_OSERR, "out of memory");
	if (getpwnam(ctx->conf.user) == NULL)
		store_free(&doctor.store); /* check_files tells */
	load_postfix(&doctor, &postfix);
	run_checks(&doctor);
	turn_around(&doctor);
	if (args->json)
		print_json(&doctor);
	else
		print_table(&doctor);
	if (doctor.counts[SEVERITY_ERROR] > 0)
		code = EXIT_BROKEN;
	else if (doctor.counts[SEVERITY_WARNING] > 0)
		code = EXIT_WARNINGS;
	free_doctor(&doctor);
	postfix_free(&postfix);
	return code;
}
