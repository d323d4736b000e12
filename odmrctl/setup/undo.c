/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "undo.h"

/* A file as setup found it, as it left it, and as it is. */
struct three {
	struct cf before, then;
	struct cf *now; /* setup's own */
};

static char *
entry_text(const struct cf *cf, const struct cf_entry *entry)
{
	return entry != NULL ? cf_copy(cf, entry->begin, entry->end) : NULL;
}

static bool
is_same_entry(const struct cf *a, const struct cf_entry *x, const struct cf *b,
    const struct cf_entry *y)
{
	char *one = entry_text(a, x), *other = entry_text(b, y);
	bool same = one != NULL && other != NULL && strcmp(one, other) == 0;

	free(one);
	free(other);
	return same;
}

static void
put_back(struct cf *now, const struct cf_entry *entry, const struct cf *before,
    const struct cf_entry *was)
{
	char *text = was != NULL ? entry_text(before, was) : NULL;

	cf_replace(now, entry->begin, entry->end, text != NULL ? text : "");
	free(text);
}

static void
take_out_comment(const struct three *three, const char *comment)
{
	const char *found = strstr(three->now->text, comment);
	size_t at;

	if (found == NULL || strstr(three->before.text, comment) != NULL)
		return;
	at = (size_t)(found - three->now->text);
	cf_replace(three->now, at, at + strlen(comment), "");
}

/* ---- main.cf ------------------------------------------------------------- */

static bool
is_ours(const struct setup *setup, const struct wish *wish,
    const struct cf_word *word)
{
	const struct cf *cf = &setup->main;
	char *text = cf_copy(cf, word->begin, word->end);
	bool is;

	if (wish->kind == WISH_ETRN)
		is = strstr(text, "private/etrn-policy") != NULL;
	else
		is = wish_listed(setup, wish, text) > 0;
	free(text);
	return is;
}

/* check_policy_service goes with what it asks. */
static void
remove_word(struct cf *cf, const struct wish *wish, const struct cf_word *first,
    const struct cf_word *word)
{
	struct cf_word both = *word;

	if (wish->kind == WISH_ETRN &&
	    cf_word_is(cf, first, "check_policy_service"))
		both.begin = first->begin;
	list_remove(cf, &both);
}

static void
take_out_word(struct setup *setup, const struct wish *wish)
{
	const struct cf_entry *entry = cf_find(&setup->main, wish->name);
	struct cf_word word = { 0, 0 }, last = { 0, 0 };
	size_t at = entry->value;

	while (cf_next(&setup->main, &at, entry->value_end, &word)) {
		if (is_ours(setup, wish, &word)) {
			remove_word(&setup->main, wish, &last, &word);
			return;
		}
		last = word;
	}
}

static void
put_word_back(
    struct setup *setup, const struct wish *wish, const struct three *three)
{
	const struct cf_entry *was = cf_find(&three->before, wish->name);
	const struct cf_entry *entry = cf_find(&setup->main, wish->name);
	char *text = entry_text(&setup->main, entry);
	char *old = entry_text(&three->before, was);

	if ((old == NULL || strstr(old, wish->value) != NULL) &&
	    strstr(text, wish->value) == NULL)
		list_add(&setup->main, entry, wish->value, false);
	free(old);
	free(text);
}

/* He has edited this very setting since. */
static void
separate(
    struct setup *setup, const struct wish *wish, const struct three *three)
{
	const struct cf_entry *entry = cf_find(&setup->main, wish->name);

	switch (wish->kind) {
	case WISH_LAST:
	case WISH_FIRST:
	case WISH_MILTER:
	case WISH_USER:
	case WISH_ETRN:
		take_out_word(setup, wish);
		break;
	case WISH_ABSENT:
		put_word_back(setup, wish, three);
		break;
	default:
		setup_note(setup, "%s:%u: %s stays as you have set it",
		    setup->main.path, cf_line(&setup->main, entry->begin),
		    wish->name);
	}
}

static void
forget_empty(struct setup *setup, const char *name, const struct three *three)
{
	const struct cf_entry *entry = cf_find(&setup->main, name);

	if (entry != NULL && entry->value == entry->value_end &&
	    cf_find(&three->before, name) == NULL)
		cf_replace(&setup->main, entry->begin, entry->end, "");
}

static bool
is_first_of_name(size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(wishes[k].name, wishes[i].name) == 0)
			return false;
	return true;
}

static void
undo_setting(struct setup *setup, size_t i, const struct three *three)
{
	const char *name = wishes[i].name;
	const struct cf_entry *was = cf_find(&three->before, name);
	const struct cf_entry *then = cf_find(&three->then, name);
	const struct cf_entry *now = cf_find(&setup->main, name);

	if (then == NULL || now == NULL ||
	    is_same_entry(&three->before, was, &three->then, then))
		return;
	if (is_same_entry(&setup->main, now, &three->then, then)) {
		put_back(&setup->main, now, &three->before, was);
		return;
	}
	for (size_t k = i; k < wish_count; k++)
		if (strcmp(wishes[k].name, name) == 0)
			separate(setup, &wishes[k], three);
	forget_empty(setup, name, three);
}

static void
undo_main(struct setup *setup, const struct three *three)
{
	for (size_t i = 0; i < wish_count; i++)
		if (is_first_of_name(i))
			undo_setting(setup, i, three);
	take_out_comment(three, SETUP_MAIN_COMMENT);
}

/* ---- master.cf ----------------------------------------------------------- */

/* The option as we wrote it becomes the one that was there. */
static void
undo_option(struct setup *setup, const struct three *three, const char *name,
    const struct master_option *ours)
{
	const struct cf_entry *was = cf_find(&three->before, name);
	const struct cf_entry *now = cf_find(&setup->master, name);
	struct master_option old = { 0 }, here = { 0 };
	size_t at = was->value;
	bool found = false;
	char *text;

	while (!found && master_next_option(&three->before, was, &at, &old)) {
		found = strcmp(old.name, ours->name) == 0;
		if (!found)
			master_free_option(&old);
	}
	if (!found)
		return;
	text = cf_copy(&three->before, old.word.begin, old.word.end);
	found = strcmp(old.value, ours->value) == 0;
	for (at = now->value;
	     !found && master_next_option(&setup->master, now, &at, &here);
	     master_free_option(&here)) {
		found = strcmp(here.name, ours->name) == 0 &&
		    strcmp(here.value, ours->value) == 0;
		if (found)
			cf_replace(&setup->master, here.word.begin,
			    here.word.end, text);
	}
	if (!found)
		setup_refuse_at(setup, &setup->master, now->begin,
		    "-o %s has been edited since setup joined it: take ours "
		    "out of it by hand, and run it again",
		    ours->name);
	free(text);
	master_free_option(&old);
}

static void
undo_options(
    struct setup *setup, const struct three *three, const struct cf_entry *then)
{
	struct master_option option;
	size_t at = then->value;

	while (master_next_option(&three->then, then, &at, &option)) {
		undo_option(setup, three, then->name, &option);
		master_free_option(&option);
	}
}

static void
undo_service(
    struct setup *setup, const struct three *three, const struct cf_entry *then)
{
	const struct cf_entry *was = cf_find(&three->before, then->name);
	const struct cf_entry *now = cf_find(&setup->master, then->name);

	if (now == NULL ||
	    is_same_entry(&three->before, was, &three->then, then))
		return;
	if (was == NULL ||
	    is_same_entry(&setup->master, now, &three->then, then))
		put_back(&setup->master, now, &three->before, was);
	else
		undo_options(setup, three, then);
}

static void
undo_master(struct setup *setup, const struct three *three)
{
	for (size_t i = 0; i < three->then.count; i++)
		undo_service(setup, three, &three->then.entries[i]);
	take_out_comment(three, SETUP_MASTER_COMMENT);
}

/* ---- both ---------------------------------------------------------------- */

static bool
parse_copy(struct cf *cf, const struct cf *like, const struct piece *piece)
{
	char error[CF_ERROR_SIZE];
	char *text = must(malloc(piece->len + 1));

	memcpy(text, piece->text, piece->len + 1);
	return cf_parse(cf, like->path, like->master, text, piece->len, error);
}

static void
undo_file(struct setup *setup, struct cf *now, const struct piece *before,
    const struct piece *then,
    void (*merge)(struct setup *, const struct three *))
{
	struct three three = { .now = now };

	if (now->len == then->len &&
	    memcmp(now->text, then->text, then->len) == 0) {
		cf_free(now);
		parse_copy(now, now, before);
		return;
	}
	if (parse_copy(&three.before, now, before) &&
	    parse_copy(&three.then, now, then))
		merge(setup, &three);
	cf_free(&three.before);
	cf_free(&three.then);
}

void
undo_merge(struct setup *setup, const struct piece before[SWAP_FILES],
    const struct piece then[SWAP_FILES])
{
	undo_file(setup, &setup->main, &before[SWAP_MAIN], &then[SWAP_MAIN],
	    undo_main);
	undo_file(setup, &setup->master, &before[SWAP_MASTER],
	    &then[SWAP_MASTER], undo_master);
}

void
undo_merge_into(const struct setup *setup,
    const struct piece before[SWAP_FILES], const struct piece then[SWAP_FILES],
    struct piece result[SWAP_FILES])
{
	const struct piece main = { setup->main.text, setup->main.len };
	const struct piece master = { setup->master.text, setup->master.len };
	struct setup other = *setup;

	STAILQ_INIT(&other.obstacles);
	STAILQ_INIT(&other.notes);
	parse_copy(&other.main, &setup->main, &main);
	parse_copy(&other.master, &setup->master, &master);
	undo_merge(&other, before, then);
	result[SWAP_MAIN] = (struct piece) { other.main.text, other.main.len };
	result[SWAP_MASTER] =
	    (struct piece) { other.master.text, other.master.len };
	other.main.text = other.master.text = NULL;
	cf_free(&other.main);
	cf_free(&other.master);
	setup_free_remarks(&other.obstacles);
	setup_free_remarks(&other.notes);
}
