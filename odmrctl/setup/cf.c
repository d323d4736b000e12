/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cf.h"
#include "odmrctl/odmrctl.h"

static size_t
line_end(const struct cf *cf, size_t at)
{
	const char *end = memchr(cf->text + at, '\n', cf->len - at);

	return end != NULL ? (size_t)(end - cf->text) + 1 : cf->len;
}

/* An empty line is none to Postfix either. */
static bool
is_comment(const struct cf *cf, size_t at)
{
	while (at < cf->len && strchr(" \t", cf->text[at]) != NULL)
		at++;
	return at == cf->len || cf->text[at] == '\n' || cf->text[at] == '#';
}

unsigned
cf_line(const struct cf *cf, size_t at)
{
	unsigned line = 1;

	for (size_t i = 0; i < at; i++)
		line += cf->text[i] == '\n';
	return line;
}

/* ---- words --------------------------------------------------------------- */

static bool
separates(const struct cf *cf, size_t at)
{
	return strchr(cf->master ? " \t\n" : ", \t\n", cf->text[at]) != NULL;
}

/* Behind the byte at `at`, and the comments if that ends a line. */
static size_t
step(const struct cf *cf, size_t at, size_t end)
{
	bool ends_line = cf->text[at++] == '\n';

	while (ends_line && at < end && is_comment(cf, at))
		at = line_end(cf, at);
	return at < end ? at : end;
}

bool
cf_next(const struct cf *cf, size_t *at, size_t end, struct cf_word *word)
{
	size_t i = *at;
	int depth = 0;

	while (i < end && separates(cf, i))
		i = step(cf, i, end);
	word->begin = i;
	while (i < end && (depth > 0 || !separates(cf, i))) {
		if (cf->text[i] == '{')
			depth++;
		else if (cf->text[i] == '}' && depth > 0)
			depth--;
		i = step(cf, i, end);
	}
	*at = word->end = i;
	return word->begin < i;
}

bool
cf_word_is(const struct cf *cf, const struct cf_word *word, const char *text)
{
	return word->end - word->begin == strlen(text) &&
	    memcmp(cf->text + word->begin, text, strlen(text)) == 0;
}

/* ---- entries ------------------------------------------------------------- */

/* "name = value": Postfix trims both. */
static void
split_setting(const struct cf *cf, struct cf_entry *entry)
{
	const char *equal =
	    memchr(cf->text + entry->begin, '=', entry->end - entry->begin);
	size_t at = equal != NULL ? (size_t)(equal - cf->text) : entry->end;
	size_t name_end = at;
	struct cf_word word;

	while (name_end > entry->begin &&
	    strchr(" \t\n", cf->text[name_end - 1]) != NULL)
		name_end--;
	entry->name = cf_copy(cf, entry->begin, name_end);
	at += equal != NULL;
	entry->value = entry->value_end = at;
	for (bool first = true; cf_next(cf, &at, entry->end, &word);
	     first = false) {
		if (first)
			entry->value = word.begin;
		entry->value_end = word.end;
	}
}

static void
split_service(const struct cf *cf, struct cf_entry *entry)
{
	struct cf_word name = { 0, 0 }, type = { 0, 0 };
	size_t at = entry->begin;

	cf_next(cf, &at, entry->end, &name);
	cf_next(cf, &at, entry->end, &type);
	if (asprintf(&entry->name, "%.*s/%.*s", (int)(name.end - name.begin),
		cf->text + name.begin, (int)(type.end - type.begin),
		cf->text + type.begin) == -1)
		entry->name = NULL;
	must(entry->name);
	entry->value = entry->value_end = at;
}

static void
free_entries(struct cf *cf)
{
	for (size_t i = 0; i < cf->count; i++)
		free(cf->entries[i].name);
	free(cf->entries);
	cf->entries = NULL;
	cf->count = 0;
}

static void
add_entry(struct cf *cf, size_t begin)
{
	cf->entries =
	    must(realloc(cf->entries, (cf->count + 1) * sizeof(*cf->entries)));
	cf->entries[cf->count++] = (struct cf_entry) { .begin = begin };
}

/* False: a line continues nothing, it is at `*fault`. */
static bool
find_entries(struct cf *cf, size_t *fault)
{
	struct cf_entry *entry;
	bool ok = true;
	size_t end;

	free_entries(cf);
	for (size_t at = 0; at < cf->len; at = end) {
		end = line_end(cf, at);
		if (is_comment(cf, at))
			continue;
		if (strchr(" \t", cf->text[at]) == NULL)
			add_entry(cf, at);
		else if (cf->count == 0) {
			*fault = at;
			ok = false;
			continue;
		}
		cf->entries[cf->count - 1].end = end;
	}
	for (entry = cf->entries; entry < cf->entries + cf->count; entry++)
		(cf->master ? split_service : split_setting)(cf, entry);
	return ok;
}

static bool
complain_at(
    const struct cf *cf, size_t at, const char *what, char error[CF_ERROR_SIZE])
{
	snprintf(error, CF_ERROR_SIZE, "%.256s:%u: %s", cf->path,
	    cf_line(cf, at), what);
	return false;
}

bool
cf_parse(struct cf *cf, const char *path, bool master, char *text, size_t len,
    char error[CF_ERROR_SIZE])
{
	const char *fault;
	size_t at;

	*cf = (struct cf) {
		.path = path, .master = master, .text = text, .len = len
	};
	fault = memchr(text, '\r', len);
	if (fault != NULL)
		return complain_at(cf, (size_t)(fault - text),
		    "has a CR; Postfix wants lines that end in LF alone: "
		    "sed -i 's/\\r//g' takes them away",
		    error);
	fault = memchr(text, '\0', len);
	if (fault != NULL)
		return complain_at(
		    cf, (size_t)(fault - text), "has a NUL byte", error);
	return find_entries(cf, &at) ||
	    complain_at(cf, at,
		"begins with white space, but there is nothing that it "
		"continues",
		error);
}

void
cf_free(struct cf *cf)
{
	free_entries(cf);
	free(cf->text);
	cf->text = NULL;
	cf->len = 0;
}

const struct cf_entry *
cf_find(const struct cf *cf, const char *name)
{
	for (size_t i = cf->count; i > 0; i--)
		if (strcmp(cf->entries[i - 1].name, name) == 0)
			return &cf->entries[i - 1];
	return NULL;
}

const struct cf_entry *
cf_earlier(const struct cf *cf, const struct cf_entry *later)
{
	for (const struct cf_entry *entry = later; entry > cf->entries;)
		if (strcmp((--entry)->name, later->name) == 0)
			return entry;
	return NULL;
}

/* ---- changes ------------------------------------------------------------- */

char *
cf_copy(const struct cf *cf, size_t begin, size_t end)
{
	return must(strndup(cf->text + begin, end - begin));
}

void
cf_replace(struct cf *cf, size_t begin, size_t end, const char *text)
{
	size_t len = strlen(text), fault, rest = cf->len - end;
	char *now = must(malloc(begin + len + rest + 1));

	memcpy(now, cf->text, begin);
	memcpy(now + begin, text, len);
	memcpy(now + begin + len, cf->text + end, rest);
	free(cf->text);
	cf->text = now;
	cf->len = begin + len + rest;
	now[cf->len] = '\0';
	find_entries(cf, &fault);
}

void
cf_append(struct cf *cf, const char *lines)
{
	if (cf->len > 0 && cf->text[cf->len - 1] != '\n')
		cf_replace(cf, cf->len, cf->len, "\n");
	cf_replace(cf, cf->len, cf->len, lines);
}
