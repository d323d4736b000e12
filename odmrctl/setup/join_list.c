/* SPDX-License-Identifier: ISC */
/*
 * odmrctl setup: lists of main.cf. A word is put behind the others or before
 * them, in the way the list is laid out; what stands there stays.
 */
#include <stdlib.h>
#include <string.h>

#include "setup.h"

enum { WIDTH = 79 };

#define INDENT "    "

/* ---- one word ------------------------------------------------------------ */

char *
list_wrap(const char *text, size_t column)
{
	char *wrapped = setup_text("%s", ""), *more;
	size_t len;

	for (; *text != '\0'; text += len, column += len) {
		len = strcspn(text, ",");
		len += text[len] == ',';
		if (column + len > WIDTH && text[0] == ' ') {
			more = setup_text("%s\n" INDENT, wrapped);
			free(wrapped);
			wrapped = more;
			column = strlen(INDENT);
			text++;
			len--;
		}
		more = setup_text("%s%.*s", wrapped, (int)len, text);
		free(wrapped);
		wrapped = more;
	}
	return wrapped;
}

static size_t
line_begin(const struct cf *cf, size_t at)
{
	while (at > 0 && cf->text[at - 1] != '\n')
		at--;
	return at;
}

/* What goes between two words: a new line as those before, where the list has
 * several or this one would get too long. */
static char *
gap(const struct cf *cf, const struct cf_entry *entry, size_t column,
    size_t more)
{
	size_t begin = line_begin(cf, entry->value_end);
	size_t blank = begin;

	if (memchr(cf->text + entry->value, '\n',
		entry->value_end - entry->value) == NULL)
		return setup_text(column + more > WIDTH ? ",\n" INDENT : ", ");
	while (strchr(" \t", cf->text[blank]) != NULL)
		blank++;
	return setup_text(",\n%.*s", (int)(blank - begin), cf->text + begin);
}

void
list_add(struct cf *cf, const struct cf_entry *entry, const char *word,
    bool in_front)
{
	size_t end = entry->value_end, column = end - line_begin(cf, end);
	size_t at = in_front ? entry->value : end;
	char *between, *text, *wrapped;

	if (entry->value == end) {
		wrapped = list_wrap(word, column + 1);
		text = setup_text(" %s\n", wrapped);
		cf_replace(cf, end, entry->end, text);
	} else {
		between = gap(cf, entry, column, strlen(word));
		wrapped = list_wrap(word,
		    strchr(between, '\n') != NULL && !in_front ? strlen(INDENT)
							       : column);
		text = in_front ? setup_text("%s%s", wrapped, between)
				: setup_text("%s%s", between, wrapped);
		cf_replace(cf, at, at, text);
		free(between);
	}
	free(text);
	free(wrapped);
}

/* With the comma behind it, or before it where it is the last; where it had a
 * line of its own, with that line. */
void
list_remove(struct cf *cf, const struct cf_word *word)
{
	size_t begin = word->begin, end = word->end;
	size_t line = line_begin(cf, begin);
	bool last = cf->text[end] != ',';

	end += strspn(cf->text + end, ", \t");
	if (cf->text[end] == '\n')
		while (begin > line &&
		    strchr(last ? ", \t" : " \t", cf->text[begin - 1]))
			begin--;
	if (begin == line && cf->text[end] == '\n' && !last)
		end++;
	else if (begin == line && cf->text[end] == '\n')
		while (begin > 0 && strchr(", \t\n", cf->text[begin - 1]))
			begin--;
	cf_replace(cf, begin, end, "");
}

/* ---- lists --------------------------------------------------------------- */

static bool
is_only_ours(const struct setup *setup)
{
	const struct cf_entry *entry = cf_find(&setup->main, "smtpd_milters");
	struct cf_word word;
	size_t at, words = 0;

	if (entry == NULL)
		return false;
	for (at = entry->value;
	     cf_next(&setup->main, &at, entry->value_end, &word); words++)
		if (!wish_is_milter(setup, setup->main.text + word.begin,
			word.end - word.begin))
			return false;
	return words > 0;
}

/* relay_domains was $mydestination before compatibility_level 2. */
static const char *
default_of(const struct setup *setup, const char *name)
{
	const char *value = postfix_setting(&setup->postfix, name);

	if (strcmp(value, postfix_setting(&setup->postfix, "mydestination")) ==
		0 &&
	    value[0] != '\0')
		return "$mydestination";
	return value;
}

static bool
is_proxied(const struct setup *setup, const char *name)
{
	return strcmp(name, "fast_flush_domains") == 0 &&
	    strstr(postfix_setting(&setup->postfix, name), "proxy:") != NULL;
}

static void
begin_list(struct setup *setup, const struct wish *wish, const char *word)
{
	const char *base =
	    wish->base != NULL ? wish->base : default_of(setup, wish->name);
	char *value;

	if (is_proxied(setup, wish->name)) {
		base = "";
		setup_note(setup,
		    "fast_flush_domains goes without $relay_domains, for "
		    "postqueue -s cannot read a proxy: table as odmrd's user: "
		    "ETRN for these domains is refused from now on, unless "
		    "you add their tables without proxy:");
	}
	if (wish->kind == WISH_MILTER &&
	    strcmp(wish->name, "non_smtpd_milters") == 0 && base[0] == '\0' &&
	    is_only_ours(setup)) {
		join_append(setup, wish->name, "$smtpd_milters");
		return;
	}
	value = setup_text("%s%s%s", base, base[0] != '\0' ? ", " : "", word);
	join_append(setup, wish->name, value);
	free(value);
}

void
list_join(struct setup *setup, const struct wish *wish)
{
	char *word = wish_text(setup, wish->value);
	const struct cf_entry *entry;

	if (!join_find(setup, wish->name, &entry))
		;
	else if (entry == NULL)
		begin_list(setup, wish, word);
	else if (entry->value == entry->value_end &&
	    strcmp(wish->name, "non_smtpd_milters") == 0 && is_only_ours(setup))
		list_add(&setup->main, entry, "$smtpd_milters", false);
	else if (is_proxied(setup, wish->name))
		setup_refuse_at(setup, &setup->main, entry->begin,
		    "%s has a proxy: table, which postqueue -s cannot read as "
		    "the user %s: name the table without proxy:",
		    wish->name, setup->conf->user);
	else
		list_add(&setup->main, entry, word, wish->kind == WISH_FIRST);
	setup->changed = true;
	free(word);
}

/* ---- parent_domain_matches_subdomains ------------------------------------ */

static void
note_subdomains(struct setup *setup, const char *name)
{
	const char *list = postfix_setting(&setup->postfix, name), *word;
	char *ours = wish_text(setup, "%d");
	bool others = false;
	size_t len;

	while ((len = postfix_word(&list, &word)) > 0)
		others = others || len != strlen(ours) ||
		    memcmp(word, ours, len) != 0;
	free(ours);
	if (others && strcmp(name, "relay_domains") == 0)
		setup_note(setup,
		    "a domain in relay_domains no longer stands for its "
		    "subdomains: where you take mail for sub.example.org "
		    "because of example.org, add .example.org");
}

/* Of a list that must not have several of its words. */
static bool
is_to_go(const char *name, const char *word, size_t len)
{
	for (size_t i = 0; i < wish_count; i++)
		if (wishes[i].kind == WISH_ABSENT &&
		    strcmp(wishes[i].name, name) == 0 &&
		    strlen(wishes[i].value) == len &&
		    memcmp(wishes[i].value, word, len) == 0)
			return true;
	return false;
}

static void
write_without(struct setup *setup, const struct wish *wish)
{
	const char *list = postfix_setting(&setup->postfix, wish->name), *word;
	char *value = setup_text("%s", ""), *more;
	size_t len;

	while ((len = postfix_word(&list, &word)) > 0) {
		if (is_to_go(wish->name, word, len))
			continue;
		more = setup_text("%s%s%.*s", value,
		    value[0] != '\0' ? ", " : "", (int)len, word);
		free(value);
		value = more;
	}
	join_append(setup, wish->name, value);
	free(value);
}

void
list_take_out(struct setup *setup, const struct wish *wish)
{
	const struct cf_entry *entry;
	struct cf_word word;
	size_t at;

	if (!join_find(setup, wish->name, &entry))
		return;
	note_subdomains(setup, wish->value);
	if (entry == NULL) {
		write_without(setup, wish);
		return;
	}
	for (at = entry->value;
	     cf_next(&setup->main, &at, entry->value_end, &word);)
		if (cf_word_is(&setup->main, &word, wish->value)) {
			list_remove(&setup->main, &word);
			setup->changed = true;
			return;
		}
	/* It may have gone in this round: then the next one will tell. */
	if (!setup->changed)
		setup_refuse_at(setup, &setup->main, entry->begin,
		    "%s has %s through a $variable: take it out there",
		    wish->name, wish->value);
}
