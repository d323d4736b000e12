/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: settings that main.cf has twice. Postfix warns and takes the
 * last one; who appended lines to the file loses what stood there.
 */
#include <sys/queue.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

struct line {
	STAILQ_ENTRY(line) entry;
	const char *name, *value;
	unsigned number;
	bool told;
};

STAILQ_HEAD(lines, line);

/* "NAME = VALUE"; NULL: it is none. */
static struct line *
read_setting(struct doctor *doctor, const char *text, unsigned number)
{
	const char *equals = strchr(text, '=');
	struct line *line;
	size_t len;

	if (equals == NULL)
		return NULL;
	len = (size_t)(equals - text);
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	equals++;
	line = must(malloc(sizeof(*line)));
	*line = (struct line) {
		.name = doctor_text(doctor, "%.*s", (int)len, text),
		.value = equals + strspn(equals, " \t"),
		.number = number,
	};
	return line;
}

/* Of one setting: it goes on with lines that begin with a blank. Comments and
 * empty lines may stand between. */
static void
read_lines(struct doctor *doctor, FILE *file, struct lines *lines)
{
	struct line *last = NULL;
	unsigned number = 0;
	size_t room = 0;
	char *text = NULL;
	const char *begin;

	while (getline(&text, &room, file) != -1) {
		number++;
		text[strcspn(text, "\r\n")] = '\0';
		begin = text + strspn(text, " \t");
		if (*begin == '\0' || *begin == '#')
			continue;
		if (begin != text) {
			if (last != NULL)
				last->value = doctor_text(doctor, "%s%s%s",
				    last->value,
				    last->value[0] != '\0' ? " " : "", begin);
			continue;
		}
		last = read_setting(
		    doctor, doctor_text(doctor, "%s", text), number);
		if (last != NULL)
			STAILQ_INSERT_TAIL(lines, last, entry);
	}
	free(text);
}

/* A list to which all lines may belong. */
static bool
is_list(const char *name)
{
	static const char *const ends[] = { "_domains", "_maps", "_milters",
		"_networks", "_users", "mynetworks", "mydestination",
		"_destinations" };
	size_t len = strlen(name), end;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		end = strlen(ends[i]);
		if (len >= end && strcmp(name + len - end, ends[i]) == 0)
			return true;
	}
	return false;
}

/* What `list` has, and the words of `more` that it has not. */
static const char *
join(struct doctor *doctor, const char *list, const char *more)
{
	const char *word, *copy;
	size_t len;

	while ((len = postfix_word(&more, &word)) > 0) {
		copy = doctor_text(doctor, "%.*s", (int)len, word);
		if (!postfix_lists(list, copy))
			list = doctor_text(doctor, "%s%s%s", list,
			    list[0] != '\0' ? ", " : "", copy);
	}
	return list;
}

/* All of a name, from its first line on. */
static void
check_name(struct doctor *doctor, struct line *first)
{
	const char *name = first->name, *joined = first->value, *what = "";
	struct line *last = first;

	for (struct line *line = STAILQ_NEXT(first, entry); line != NULL;
	     line = STAILQ_NEXT(line, entry)) {
		if (strcmp(line->name, name) != 0)
			continue;
		what = doctor_text(doctor, "%sline %u: \"%s\", ", what,
		    last->number, last->value);
		joined = is_list(name) ? join(doctor, joined, line->value)
				       : line->value;
		line->told = true;
		last = line;
	}
	if (last == first)
		return;
	doctor_find(doctor, SET_TWICE, doctor->main_cf,
	    doctor_text(doctor, "postconf%s -# %s && %s",
		doctor_option_c(doctor), name,
		doctor_cure(doctor, name, joined)),
	    "%s: %sand line %u, which counts: \"%s\"", name, what, last->number,
	    last->value);
}

void
check_twice(struct doctor *doctor)
{
	struct lines lines = STAILQ_HEAD_INITIALIZER(lines);
	struct line *line;
	FILE *file;

	if (doctor->postfix == NULL)
		return;
	file = fopen(doctor->main_cf, "re");
	if (file == NULL)
		return;
	read_lines(doctor, file, &lines);
	fclose(file);
	STAILQ_FOREACH(line, &lines, entry)
	if (!line->told)
		check_name(doctor, line);
	while ((line = STAILQ_FIRST(&lines)) != NULL) {
		STAILQ_REMOVE_HEAD(&lines, entry);
		free(line);
	}
}
