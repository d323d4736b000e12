/* SPDX-License-Identifier: ISC */
/*
 * odmrctl setup: goes through the wishes until nothing is left to do. A setting
 * with a $variable waits until all others are right: by then it may mean what
 * it should.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/postfix/lifetime.h"
#include "setup.h"

enum { ROUNDS_MOST = 100 };

/* ---- one setting --------------------------------------------------------- */

bool
join_find(struct setup *setup, const char *name, const struct cf_entry **entry)
{
	const struct cf_entry *earlier;

	*entry = cf_find(&setup->main, name);
	earlier = *entry != NULL ? cf_earlier(&setup->main, *entry) : NULL;
	if (earlier == NULL)
		return true;
	setup_refuse_at(setup, &setup->main, earlier->begin,
	    "%s is set here and again in line %u, where alone it counts: "
	    "join the two, and take one away",
	    name, cf_line(&setup->main, (*entry)->begin));
	return false;
}

void
join_append(struct setup *setup, const char *name, const char *value)
{
	char *wrapped = list_wrap(value, strlen(name) + strlen(" = "));
	char *line = setup_text("%s = %s\n", name, wrapped);

	if (strstr(setup->main.text, SETUP_MAIN_COMMENT) == NULL)
		cf_append(&setup->main, SETUP_MAIN_COMMENT);
	cf_append(&setup->main, line);
	free(line);
	free(wrapped);
	setup->changed = true;
}

static int64_t
seconds(const char *value, const char *like)
{
	return postfix_seconds(value, like[strlen(like) - 1]);
}

bool
value_is_wrong(
    const struct setup *setup, const struct wish *wish, const char *value)
{
	switch (wish->kind) {
	case WISH_LEAST:
		return seconds(value, wish->value) <
		    seconds(wish->value, wish->value);
	case WISH_MOST:
		return seconds(value, wish->value) >
		    seconds(wish->value, wish->value);
	case WISH_VALUE:
		return strcasecmp(value, wish->value) != 0;
	case WISH_ABSENT:
		return postfix_lists(value, wish->value);
	case WISH_UNSET:
	case WISH_DIGEST:
	case WISH_ETRN:
		return false;
	case WISH_LAST:
	case WISH_FIRST:
	case WISH_MILTER:
	case WISH_USER:
		break;
	}
	return wish_listed(setup, wish, value) == 0;
}

static void
put_value(struct setup *setup, const struct wish *wish)
{
	const struct cf_entry *entry;
	size_t begin, end;
	char *text;

	if (!join_find(setup, wish->name, &entry))
		return;
	if (entry == NULL) {
		join_append(setup, wish->name, wish->value);
		return;
	}
	setup_note(setup,
	    "%s counts for all mail of this Postfix, not for ours alone",
	    wish->name);
	begin = entry->value;
	end = entry->value_end;
	text = setup_text("%s%s", begin == end ? " " : "", wish->value);
	cf_replace(&setup->main, begin, end, text);
	free(text);
	setup->changed = true;
}

/* By another digest he may know his own clients: that stays. */
static void
join_digest(struct setup *setup, const struct wish *wish)
{
	const char *value = postfix_setting(&setup->postfix, wish->name);
	bool used = strstr(setup->main.text, "check_ccert_access") != NULL ||
	    postfix_setting(&setup->postfix, "relay_clientcerts")[0] != '\0';

	if (strcasecmp(value, wish->value) == 0)
		return;
	if (!used && cf_find(&setup->main, wish->name) == NULL)
		join_append(setup, wish->name, wish->value);
	else
		setup_note(setup,
		    "%s stays %s, so by certificate nobody is known who says "
		    "ETRN on port 25",
		    wish->name, value);
}

/* Lists that are tables or files are the operator's. */
static void
join_user(struct setup *setup, const struct wish *wish)
{
	const char *value = postfix_setting(&setup->postfix, wish->name);

	if (strchr(value, ':') == NULL && strchr(value, '/') == NULL &&
	    wish_listed(setup, wish, value) == 0)
		list_join(setup, wish);
}

/* What is there, but for comments, or would be if it were not. */
static bool
has_variable(const struct setup *setup, const struct wish *wish)
{
	const struct cf_entry *entry = cf_find(&setup->main, wish->name);

	if (entry == NULL)
		return wish->base != NULL && strchr(wish->base, '$') != NULL;
	return memchr(setup->main.text + entry->value, '$',
		   entry->value_end - entry->value) != NULL;
}

static void
join(struct setup *setup, const struct wish *wish)
{
	const char *value = postfix_setting(&setup->postfix, wish->name);

	switch (wish->kind) {
	case WISH_UNSET:
		if (cf_find(&setup->main, wish->name) == NULL)
			join_append(setup, wish->name, wish->value);
		return;
	case WISH_DIGEST:
		join_digest(setup, wish);
		return;
	case WISH_ETRN:
		etrn_join(setup, wish);
		return;
	case WISH_USER:
		join_user(setup, wish);
		return;
	default:
		break;
	}
	if (!value_is_wrong(setup, wish, value))
		return;
	if (wish->kind == WISH_ABSENT)
		list_take_out(setup, wish);
	else if (wish->kind == WISH_LAST || wish->kind == WISH_FIRST ||
	    wish->kind == WISH_MILTER)
		list_join(setup, wish);
	else
		put_value(setup, wish);
}

/* ---- all of them --------------------------------------------------------- */

static void
check_twice(struct setup *setup, const struct wish *wish)
{
	const char *list = postfix_setting(&setup->postfix, wish->name);
	const struct cf_entry *entry = cf_find(&setup->main, wish->name);

	if ((wish->kind == WISH_LAST || wish->kind == WISH_FIRST ||
		wish->kind == WISH_MILTER) &&
	    entry != NULL && wish_listed(setup, wish, list) > 1)
		setup_refuse_at(setup, &setup->main, entry->begin,
		    "through its $variables, %s would have ours twice: join it "
		    "by hand",
		    wish->name);
}

/* The services come first: Postfix knows the settings of a transport, and of a
 * spawn(8), only where master.cf has it. Then what has no $variable; of what
 * has one, a single setting in a round, for another may lead to it. */
static void
join_round(struct setup *setup, int round)
{
	setup->changed = false;
	if (round == 0) {
		master_join(setup);
		return;
	}
	for (size_t i = 0; i < wish_count; i++)
		if (!has_variable(setup, &wishes[i]))
			join(setup, &wishes[i]);
	for (size_t i = 0; !setup->changed && i < wish_count; i++)
		if (has_variable(setup, &wishes[i]))
			join(setup, &wishes[i]);
	if (!setup->changed)
		master_join_options(setup);
}

int
join_all(struct setup *setup)
{
	bool any = false;
	int code;

	for (int round = 0; round < ROUNDS_MOST; round++) {
		join_round(setup, round);
		if (!STAILQ_EMPTY(&setup->obstacles))
			return EX_OK;
		if (round > 0 && !setup->changed)
			break;
		any = any || setup->changed;
		code = setup->changed ? draft_read(setup) : EX_OK;
		if (code != EX_OK)
			return code;
	}
	if (setup->changed)
		setup_refuse(setup,
		    "what is joined does not come to an end: the $variables of "
		    "main.cf lead around");
	for (size_t i = 0; any && i < wish_count; i++)
		check_twice(setup, &wishes[i]);
	master_check_milter(setup);
	return EX_OK;
}
