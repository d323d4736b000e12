/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/postfix/program.h"
#include "postfix.h"

enum { SECONDS = 20 };

struct setting_line {
	char *name;
	const char *value;
	struct setting_line *next;
};

static bool
collect(void *arg, const char *bytes, size_t len)
{
	return fwrite(bytes, 1, len, arg) == len;
}

/* What "postconf -c DIRECTORY OPTION" prints; NULL and `error`: it failed. */
static char *
ask(const struct conf *conf, const char *option, char error[POSTFIX_ERROR_SIZE])
{
	const char *const argv[] = { conf->postconf_path, "-c",
		conf->postfix_config_directory, option, NULL };
	struct program postconf = {
		.argv = argv, .seconds = SECONDS, .take = collect
	};
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool ok;

	if (out == NULL)
		err(EX_OSERR, "out of memory");
	postconf.arg = out;
	ok = program_run(&postconf, error, POSTFIX_ERROR_SIZE);
	if (fclose(out) == EOF)
		err(EX_OSERR, "out of memory");
	if (ok)
		return text;
	free(text);
	return NULL;
}

static void *
allocate(size_t size)
{
	void *made = calloc(1, size);

	if (made == NULL)
		err(EX_OSERR, "out of memory");
	return made;
}

static char *
copy_line(const char *text)
{
	char *copy = strndup(text, strcspn(text, "\n"));

	if (copy == NULL)
		err(EX_OSERR, "out of memory");
	return copy;
}

/* The line behind the one at `text`. */
static const char *
next_line(const char *text)
{
	text += strcspn(text, "\n");
	return text + (*text == '\n');
}

/* "name = value" */
static void
read_settings(struct setting_line **list, const char *text)
{
	struct setting_line *line;
	char *equals;

	for (; *text != '\0'; text = next_line(text)) {
		line = allocate(sizeof(*line));
		line->name = copy_line(text);
		equals = strstr(line->name, " =");
		line->value = "";
		if (equals != NULL) {
			*equals = '\0';
			line->value = equals + 2 + strspn(equals + 2, " ");
		}
		line->next = *list;
		*list = line;
	}
}

/* service type private unprivileged chroot wakeup maxproc command+args */
static void
read_services(struct postfix *postfix, const char *text)
{
	const char *columns[8];
	struct service *service;
	char *rest;

	for (; *text != '\0'; text = next_line(text)) {
		service = allocate(sizeof(*service));
		service->name = rest = copy_line(text);
		for (int i = 0; i < 8; i++) {
			columns[i] = strsep(&rest, " ");
			while (rest != NULL && *rest == ' ')
				rest++;
			if (columns[i] == NULL)
				columns[i] = "";
		}
		service->type = columns[1];
		service->chroot = strcmp(columns[4], "y") == 0;
		service->maxproc = columns[6];
		service->command = columns[7];
		service->arguments = rest != NULL ? rest : "";
		service->next = postfix->services;
		postfix->services = service;
	}
}

static void
find_postmap(struct postfix *postfix)
{
	if (asprintf(&postfix->postmap, "%s/postmap",
		postfix_setting(postfix, "command_directory")) == -1)
		err(EX_OSERR, "out of memory");
}

bool
postfix_load(struct postfix *postfix, const struct conf *conf,
    char error[POSTFIX_ERROR_SIZE])
{
	char *settings, *overrides = NULL, *services = NULL;

	memset(postfix, 0, sizeof(*postfix));
	settings = ask(conf, "-x", error);
	if (settings != NULL)
		overrides = ask(conf, "-Px", error);
	if (overrides != NULL)
		services = ask(conf, "-M", error);
	if (services != NULL)
		postfix->tables = ask(conf, "-m", error);
	if (services != NULL && postfix->tables != NULL) {
		read_settings(&postfix->settings, settings);
		read_settings(&postfix->overrides, overrides);
		read_services(postfix, services);
		find_postmap(postfix);
	}
	free(settings);
	free(overrides);
	free(services);
	return postfix->tables != NULL;
}

static void
free_settings(struct setting_line **list)
{
	struct setting_line *line;

	while ((line = *list) != NULL) {
		*list = line->next;
		free(line->name);
		free(line);
	}
}

void
postfix_free(struct postfix *postfix)
{
	struct service *service;

	free_settings(&postfix->settings);
	free_settings(&postfix->overrides);
	while ((service = postfix->services) != NULL) {
		postfix->services = service->next;
		free(service->name);
		free(service);
	}
	free(postfix->tables);
	free(postfix->postmap);
}

static const char *
find(const struct setting_line *line, const char *name)
{
	for (; line != NULL; line = line->next)
		if (strcmp(line->name, name) == 0)
			return line->value;
	return NULL;
}

const char *
postfix_setting(const struct postfix *postfix, const char *name)
{
	const char *value = find(postfix->settings, name);

	return value != NULL ? value : "";
}

const char *
postfix_setting_of(const struct postfix *postfix, const struct service *service,
    const char *name)
{
	const char *value;
	char *key;

	if (asprintf(&key, "%s/%s/%s", service->name, service->type, name) ==
	    -1)
		err(EX_OSERR, "out of memory");
	value = find(postfix->overrides, key);
	free(key);
	return value != NULL ? value : postfix_setting(postfix, name);
}

const struct service *
postfix_service(
    const struct postfix *postfix, const char *name, const char *type)
{
	const struct service *service = postfix->services;

	while (service != NULL &&
	    (strcmp(service->name, name) != 0 ||
		strcmp(service->type, type) != 0))
		service = service->next;
	return service;
}

bool
postfix_has_table(const struct postfix *postfix, const char *kind)
{
	const char *line = postfix->tables;
	size_t len = strlen(kind);

	for (; *line != '\0'; line = next_line(line))
		if (strcspn(line, "\n") == len && memcmp(line, kind, len) == 0)
			return true;
	return false;
}

size_t
postfix_word(const char **list, const char **word)
{
	const char *s = *list + strspn(*list, ", \t\n");
	int depth = 0;

	for (*word = s; *s != '\0'; s++) {
		if (depth == 0 && strchr(", \t\n", *s) != NULL)
			break;
		if (*s == '{')
			depth++;
		else if (*s == '}' && depth > 0)
			depth--;
	}
	*list = s;
	return (size_t)(s - *word);
}

bool
postfix_lists(const char *list, const char *word)
{
	size_t len, wanted = strlen(word);
	const char *found;

	while ((len = postfix_word(&list, &found)) > 0)
		if (len == wanted && memcmp(found, word, len) == 0)
			return true;
	return false;
}

long
postfix_seconds(const char *value, char unit)
{
	static const char units[] = "smhdw";
	static const long worth[] = { 1, 60, 3600, 86400, 604800 };
	const char *found;
	char *end;
	long number = strtol(value, &end, 10);

	if (end == value || number < 0 || number > 100000000)
		return -1;
	if (*end != '\0')
		unit = (char)tolower((unsigned char)*end++);
	found = strchr(units, unit);
	if (unit == '\0' || found == NULL || *end != '\0')
		return -1;
	return number * worth[found - units];
}

bool
postfix_yes(const char *value)
{
	return strcasecmp(value, "yes") == 0;
}
