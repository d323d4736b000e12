/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/postfix/program.h"
#include "odmrctl.h"
#include "postfix.h"

enum { SECONDS = 20, KEY_SIZE = 1024 };

/* What "postconf -c DIRECTORY OPTION" prints, each line with a NUL instead of
 * its end and an empty one behind the last; NULL and `error`: it failed. */
static char *
ask(const struct conf *conf, const char *option, char error[POSTFIX_ERROR_SIZE])
{
	const char *const argv[] = { conf->postconf_path, "-c",
		conf->postfix_config_directory, option, NULL };
	const struct program postconf = { .argv = argv, .seconds = SECONDS };
	char *text, *end;

	if (!program_output(&postconf, &text, error, POSTFIX_ERROR_SIZE)) {
		free(must(text));
		return NULL;
	}
	end = strrchr(text, '\n');
	*(end != NULL ? end + 1 : text) = '\0';
	for (end = text; (end = strchr(end, '\n')) != NULL; end++)
		*end = '\0';
	return text;
}

/* service type private unprivileged chroot wakeup maxproc command+args */
static void
read_services(struct postfix *postfix)
{
	char *columns[8], *next, *rest;
	struct service *service;

	for (char *line = postfix->master; *line != '\0'; line = next) {
		next = line + strlen(line) + 1;
		rest = line;
		for (int i = 0; i < 8; i++) {
			columns[i] = rest;
			rest += strcspn(rest, " ");
			if (*rest != '\0')
				*rest++ = '\0';
			rest += strspn(rest, " ");
		}
		service = must(malloc(sizeof(*service)));
		*service = (struct service) {
			.name = columns[0],
			.type = columns[1],
			.chroot = strcmp(columns[4], "y") == 0,
			.maxproc = columns[6],
			.command = columns[7],
			.arguments = rest,
			.next = postfix->services,
		};
		postfix->services = service;
	}
}

bool
postfix_load(struct postfix *postfix, const struct conf *conf,
    char error[POSTFIX_ERROR_SIZE])
{
	*postfix = (struct postfix) { .settings = ask(conf, "-x", error) };
	if (postfix->settings != NULL)
		postfix->own = ask(conf, "-n", error);
	if (postfix->own != NULL)
		postfix->overrides = ask(conf, "-Px", error);
	if (postfix->overrides != NULL)
		postfix->master = ask(conf, "-M", error);
	if (postfix->master != NULL)
		postfix->tables = ask(conf, "-m", error);
	if (postfix->master == NULL || postfix->tables == NULL) {
		postfix_free(postfix);
		return false;
	}
	read_services(postfix);
	return true;
}

void
postfix_free(struct postfix *postfix)
{
	struct service *service;

	while ((service = postfix->services) != NULL) {
		postfix->services = service->next;
		free(service);
	}
	free(postfix->settings);
	free(postfix->own);
	free(postfix->overrides);
	free(postfix->master);
	free(postfix->tables);
	*postfix = (struct postfix) { .settings = NULL };
}

/* "NAME = VALUE", or "NAME =" */
static const char *
find(const char *line, const char *name)
{
	size_t len = strlen(name);

	for (; *line != '\0'; line += strlen(line) + 1)
		if (strncmp(line, name, len) == 0 &&
		    strncmp(line + len, " =", 2) == 0)
			return line + len + 2 + strspn(line + len + 2, " ");
	return NULL;
}

const char *
postfix_setting(const struct postfix *postfix, const char *name)
{
	const char *value = find(postfix->settings, name);

	return value != NULL ? value : "";
}

const char *
postfix_unexpanded(const struct postfix *postfix, const char *name)
{
	const char *value = find(postfix->own, name);

	return value != NULL ? value : postfix_setting(postfix, name);
}

const char *
postfix_override(const struct postfix *postfix, const struct service *service,
    const char *name)
{
	char key[KEY_SIZE];

	snprintf(
	    key, sizeof(key), "%s/%s/%s", service->name, service->type, name);
	return find(postfix->overrides, key);
}

const char *
postfix_setting_of(const struct postfix *postfix, const struct service *service,
    const char *name)
{
	const char *value = postfix_override(postfix, service, name);

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

	while (*line != '\0' && strcmp(line, kind) != 0)
		line += strlen(line) + 1;
	return *line != '\0';
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
