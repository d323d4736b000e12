/* SPDX-License-Identifier: ISC */
/*
 * odmrctl setup: smtpd_etrn_restrictions. Whom the operator allows or refuses
 * by a test of his own stays allowed or refused; who would be decided on by
 * "reject", or by the end of the list, is asked about. Our policy service
 * always decides, so what follows it is never reached.
 */
#include <stdlib.h>
#include <string.h>

#include "setup.h"

/* How deep classes may stand in classes. */
enum { CLASSES = 8 };

/* What decides for everyone. */
enum verdict { GOES_ON, PERMITS, REFUSES, ASKS };

static bool
is(const char *word, size_t len, const char *text)
{
	return strlen(text) == len && memcmp(word, text, len) == 0;
}

static const char *
class_of(const struct setup *setup, const char *word, size_t len)
{
	const char *classes =
	    postfix_setting(&setup->postfix, "smtpd_restriction_classes");
	const char *one, *value = NULL;
	char *name;
	size_t n;

	while (value == NULL && (n = postfix_word(&classes, &one)) > 0)
		if (n == len && memcmp(one, word, n) == 0) {
			name = must(strndup(one, n));
			value = postfix_setting(&setup->postfix, name);
			free(name);
		}
	return value;
}

/* `*word` and `*len`: where it is decided. With
 * `depth`, classes are looked into. */
static enum verdict
read_list(const struct setup *setup, const char *list, int depth,
    const char **word, size_t *len)
{
	enum verdict verdict;
	const char *class, *inner;
	size_t n;

	while ((*len = postfix_word(&list, word)) > 0) {
		if (is(*word, *len, "warn_if_reject"))
			postfix_word(&list, &inner);
		else if (is(*word, *len, "permit"))
			return PERMITS;
		else if (is(*word, *len, "reject") || is(*word, *len, "defer"))
			return REFUSES;
		else if (is(*word, *len, "check_policy_service") &&
		    (n = postfix_word(&list, &inner)) > 0 &&
		    memmem(inner, n, "private/etrn-policy", 19) != NULL)
			return ASKS;
		class = depth > 0 ? class_of(setup, *word, *len) : NULL;
		verdict = class != NULL
		    ? read_list(setup, class, depth - 1, &inner, &n)
		    : GOES_ON;
		if (verdict != GOES_ON)
			return verdict;
	}
	return GOES_ON;
}

static char *
ours(const struct setup *setup)
{
	for (size_t i = 0; i < wish_count; i++)
		if (wishes[i].kind == WISH_ETRN)
			return wish_text(setup, wishes[i].value);
	return NULL;
}

static size_t
count_words(const char *list)
{
	const char *word;
	size_t words = 0;

	while (postfix_word(&list, &word) > 0)
		words++;
	return words;
}

/* The place in a list that is not expanded. It has to be the same word that
 * decides in the expanded one, and none from inside a class or a $variable. */
static bool
find_place(const struct setup *setup, const char *value, const char *expanded,
    const char **place)
{
	const char *word, *decides;
	enum verdict verdict;
	size_t len, n;

	verdict = read_list(setup, expanded, CLASSES, &decides, &n);
	if (verdict == PERMITS ||
	    read_list(setup, value, 0, &word, &len) != verdict)
		return false;
	*place = NULL;
	if (verdict == GOES_ON)
		return true;
	*place = word;
	return len == n && memcmp(word, decides, n) == 0 &&
	    count_words(word) == count_words(decides);
}

bool
etrn_join_value(const struct setup *setup, const char *value,
    const char *expanded, char **joined)
{
	const char *place, *word;
	char *text;
	size_t len;

	*joined = NULL;
	if (read_list(setup, expanded, CLASSES, &word, &len) == ASKS)
		return true;
	if (!find_place(setup, value, expanded, &place))
		return false;
	text = ours(setup);
	*joined = place != NULL
	    ? setup_text("%.*s%s, %s", (int)(place - value), value, text, place)
	    : setup_text(
		  "%s%s%s, reject", value, value[0] != '\0' ? ", " : "", text);
	free(text);
	return true;
}

static void
note_closed(struct setup *setup)
{
	setup_note(setup,
	    "ETRN on port 25 was open to everyone; from now on only whom "
	    "odmrctl etrn allows, or a test of yours in "
	    "smtpd_etrn_restrictions, may use it");
}

/* In the text of main.cf, where comments may be between. */
static void
insert(struct setup *setup, const struct cf_entry *entry)
{
	struct cf *cf = &setup->main;
	struct cf_word word = { 0, 0 };
	size_t at = entry->value;
	char *text = ours(setup), *more;
	bool warned = false, refuses = false;

	while (!refuses && cf_next(cf, &at, entry->value_end, &word)) {
		refuses = !warned &&
		    (cf_word_is(cf, &word, "reject") ||
			cf_word_is(cf, &word, "defer"));
		warned = cf_word_is(cf, &word, "warn_if_reject");
	}
	if (refuses) {
		more = setup_text("%s,\n    ", text);
		cf_replace(cf, word.begin, word.begin, more);
	} else {
		more = setup_text("%s, reject", text);
		list_add(cf, entry, more, false);
		note_closed(setup);
	}
	setup->changed = true;
	free(more);
	free(text);
}

/* Without the comments between. */
static char *
words_of(const struct cf *cf, const struct cf_entry *entry)
{
	char *words = setup_text("%s", ""), *more;
	size_t at = entry->value;
	struct cf_word word;

	while (cf_next(cf, &at, entry->value_end, &word)) {
		more = setup_text("%s %.*s", words,
		    (int)(word.end - word.begin), cf->text + word.begin);
		free(words);
		words = more;
	}
	return words;
}

void
etrn_join(struct setup *setup, const struct wish *wish)
{
	const char *expanded = postfix_setting(&setup->postfix, wish->name);
	const char *word, *place;
	const struct cf_entry *entry;
	char *value;
	size_t len;

	if (read_list(setup, expanded, CLASSES, &word, &len) == ASKS ||
	    !join_find(setup, wish->name, &entry))
		return;
	if (entry == NULL) {
		word = wish->value;
		value = setup_text("%s, reject", word);
		join_append(setup, wish->name, value);
		note_closed(setup);
		free(value);
		return;
	}
	value = words_of(&setup->main, entry);
	if (find_place(setup, value, expanded, &place))
		insert(setup, entry);
	else
		setup_refuse_at(setup, &setup->main, entry->begin,
		    "%s decides by \"permit\", by a class or by a $variable: "
		    "put \"%s\" where the rest is to be asked about",
		    wish->name, wish->value);
	free(value);
}
