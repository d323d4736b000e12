/* SPDX-License-Identifier: ISC */
/*
 * What odmrctl doctor has found, the worst first, else in the order of the
 * checks. With --json the keys are an interface, see odmrctl(8).
 */
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "odmrctl/json.h"

enum { WIDTH = 80 };

#define INDENT "    "

const struct finding_kind finding_kinds[FINDINGS] = {
#define FINDING(id, name, severity, effect)                                    \
	[id] = { name, SEVERITY_##severity, effect },
#include "finding.def"
#undef FINDING
};

static const char *
severity_name(enum severity severity)
{
	static const char *const names[SEVERITIES] = { "note", "warning",
		"error" };

	return names[severity];
}

typedef size_t word_length(const char *text);

static size_t
plain_word(const char *text)
{
	return strcspn(text, " \n");
}

/* Of the shell. */
static size_t
shell_word(const char *text)
{
	bool quoted = false;
	size_t i = 0;

	for (; text[i] != '\0' && (quoted || text[i] != ' '); i++)
		if (text[i] == '\'')
			quoted = !quoted;
		else if (!quoted && text[i] == '\\' && text[i + 1] != '\0')
			i++;
	return i;
}

/* The words of `text` behind `first`, as many a line as fit into `width`, with
 * `between` from one line to the next. A word that is too long stays whole. */
static void
print_words(FILE *out, const char *text, word_length *length, const char *first,
    const char *between, size_t width)
{
	size_t column = strlen(first), len;
	bool begun = false;

	fputs(first, out);
	for (; *(text += strspn(text, " \n")) != '\0'; text += len) {
		len = length(text);
		if (begun && column + 1 + len > width) {
			fputs(between, out);
			column = strlen(strchr(between, '\n') + 1);
		} else if (begun) {
			putc(' ', out);
			column++;
		}
		fwrite(text, 1, len, out);
		column += len;
		begun = true;
	}
	putc('\n', out);
}

static void
print_text(FILE *out, const char *text)
{
	print_words(out, text, plain_word, INDENT, "\n" INDENT, WIDTH);
}

/* Behind the words of the shell; NULL: there is none. */
static const char *
find_comment(const char *text)
{
	size_t len;

	for (; *(text += strspn(text, " ")) != '\0'; text += len) {
		if (*text == '#')
			return text;
		len = shell_word(text);
	}
	return NULL;
}

/* As it can be pasted: broken between the shell's words only, and a comment has
 * lines of its own where it is too long. */
static void
print_cure(FILE *out, const char *text)
{
	static const char between[] = " \\\n" INDENT INDENT;
	const char *comment = find_comment(text);
	char *command;

	if (comment == NULL ||
	    strlen(INDENT "% ") + strlen(text) <= WIDTH - 2) {
		print_words(
		    out, text, shell_word, INDENT "% ", between, WIDTH - 2);
		return;
	}
	command = must(strndup(text, (size_t)(comment - text)));
	print_words(out, command, shell_word, INDENT "% ", between, WIDTH - 2);
	free(command);
	print_words(out, comment + 1, plain_word, INDENT INDENT "# ",
	    "\n" INDENT INDENT "# ", WIDTH);
}

static void
print_found(const struct doctor *doctor, const struct found *found)
{
	const struct finding_kind *kind = &finding_kinds[found->finding];
	FILE *out = doctor->ctx->out;

	fprintf(out, "%-8s%s\n", severity_name(kind->severity), kind->name);
	print_text(out, found->where);
	print_text(out, found->what);
	print_text(out, kind->effect);
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

static void
print_all(const struct doctor *doctor, struct json *json)
{
	const struct found *found;

	for (int severity = SEVERITIES - 1; severity >= 0; severity--)
		STAILQ_FOREACH(found, &doctor->found, entry)
		{
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
		print_words(out,
		    doctor_text(doctor,
			"Changes count after: postfix%s reload, SIGHUP for "
			"odmrd, SIGUSR1 for odmr-milter.",
			doctor_option_c(doctor)),
		    plain_word, "", "\n", WIDTH);
}

void
doctor_report(struct doctor *doctor, bool json)
{
	if (json)
		print_json(doctor);
	else
		print_table(doctor);
}
