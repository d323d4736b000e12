/* SPDX-License-Identifier: ISC */
#include <sys/mman.h>

#include <err.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "odmrctl/rights.h"
#include "lib/postfix/program.h"
#include "doctor.h"
#include "roster.h"
#include "lib/spelling.h"

enum { SECONDS = 20, NESTING_MAX = 4 };

static char *
copy(const char *text)
{
	return text != NULL ? must(strdup(text)) : NULL;
}

static void
add(const struct domain *domain, void *arg)
{
	struct roster *roster = arg;

	if (roster->count == roster->room) {
		roster->room = roster->room * 2 + 16;
		roster->entries = must(reallocarray(
		    roster->entries, roster->room, sizeof(*roster->entries)));
	}
	roster->entries[roster->count++] = (struct entry) {
		.name = copy(domain->name),
		.nexthop = copy(domain->nexthop),
		.socket = copy(domain->socket),
		.mode = domain->mode,
		.created = domain->created,
	};
}

enum store_result
roster_load(struct roster *roster, const struct doctor *doctor)
{
	*roster = (struct roster) {
		.postfix = doctor->postfix, .conf = doctor->conf, .prefix = ""
	};
	return store_domain_each(doctor->store, add, roster);
}

static int
compare_entries(const void *a, const void *b)
{
	return strcmp(
	    ((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static void
add_spelling(struct roster *roster, const struct entry *entry, const char *key)
{
	const struct domain domain = {
		.name = key,
		.nexthop = entry->nexthop,
		.socket = entry->socket,
		.mode = entry->mode,
		.created = entry->created,
	};

	add(&domain, roster);
}

void
roster_add_spellings(struct roster *roster)
{
	struct spelling spelling;

	for (size_t i = 0, named = roster->count; i < named; i++) {
		if (!spelling_find(&spelling, roster->entries[i].name))
			err(EX_OSERR, "out of memory");
		if (spelling.keys[COMPOSED] != NULL)
			add_spelling(roster, &roster->entries[i],
			    spelling.keys[COMPOSED]);
		spelling_free(&spelling);
	}
	if (roster->count > 0)
		qsort(roster->entries, roster->count, sizeof(*roster->entries),
		    compare_entries);
}

void
roster_free(struct roster *roster)
{
	for (size_t i = 0; i < roster->count; i++) {
		free(roster->entries[i].name);
		free(roster->entries[i].nexthop);
		free(roster->entries[i].socket);
		free(roster->entries[i].answer);
	}
	free(roster->entries);
	*roster = (struct roster) { 0 };
}

static int
compare(const void *name, const void *entry)
{
	return strcmp(name, ((const struct entry *)entry)->name);
}

struct entry *
roster_find(const struct roster *roster, const char *name)
{
	if (roster->count == 0)
		return NULL;
	return bsearch(name, roster->entries, roster->count,
	    sizeof(*roster->entries), compare);
}

/* ---- tables -------------------------------------------------------------- */

/* Into `listed`, or else into `answer`, where there is none yet. */
static void
take_answers(struct roster *roster, char *text, bool listed)
{
	struct entry *entry;
	char *line, *tab;

	while ((line = strsep(&text, "\n")) != NULL) {
		tab = strchr(line, '\t');
		if (tab == NULL)
			continue;
		*tab = '\0';
		entry = roster_find(roster, line + strlen(roster->prefix));
		if (entry != NULL && listed)
			entry->listed = true;
		else if (entry != NULL && entry->answer == NULL)
			entry->answer = copy(tab + 1);
	}
}

/* A file with all names, a line each, for postmap to read at its own pace. */
static int
write_names(const struct roster *roster)
{
	int fd = memfd_create("domains", MFD_CLOEXEC);

	for (size_t i = 0; fd != -1 && i < roster->count; i++)
		if (dprintf(fd, "%s%s\n", roster->prefix,
			roster->entries[i].name) < 0)
			err(EX_OSERR, "out of memory");
	if (fd == -1 || lseek(fd, 0, SEEK_SET) == -1)
		err(EX_OSERR, "memfd");
	return fd;
}

/* proxymap(8) would tell the same, but only of the tables that are listed for
 * it, and only while Postfix runs. */
static const char *
without_proxy(const char *table)
{
	return strncmp(table, "proxy:", 6) == 0 ? table + 6 : table;
}

/* The operator's own tables and files may be such that only root can read them.
 * Ours are of conf->user, whatever may be planted beside them. */
static void
take_up_rights(const struct conf *conf, const char *table)
{
	if (strcmp(table, conf->domain_table) != 0 &&
	    strcmp(table, conf->etrn_table) != 0)
		rights_take_up();
}

/* postmap OPTION for the table, with the names as its input where it wants
 * some. The caller frees `*text`. */
static bool
run_postmap(
    struct roster *roster, const char *table, const char *option, char **text)
{
	const struct conf *conf = roster->conf;
	const char *name = without_proxy(table);
	char path[PATH_MAX];
	const bool asks = strcmp(option, "-q") == 0;
	const char *const argv[] = { path, "-c", conf->postfix_config_directory,
		option, asks ? "-" : name, asks ? name : NULL, NULL };
	/* 1: it knows none of them. */
	const struct program postmap = {
		.argv = argv,
		.input = asks ? write_names(roster) : 0,
		.seconds = SECONDS,
		.also = asks,
	};
	bool ok;

	snprintf(path, sizeof(path), "%s/postmap",
	    postfix_setting(roster->postfix, "command_directory"));
	take_up_rights(conf, name);
	ok = program_output(
	    &postmap, text, roster->error, sizeof(roster->error));
	rights_lay_off_again(conf);
	if (asks)
		close(postmap.input);
	if (!ok)
		snprintf(roster->table, sizeof(roster->table), "%s", table);
	must(*text);
	return ok;
}

static bool
ask_table(struct roster *roster, const char *table, bool listed)
{
	char *text;
	bool ok = run_postmap(roster, table, "-q", &text);

	if (ok)
		take_answers(roster, text, listed);
	free(text);
	return ok;
}

bool
roster_lookup(struct roster *roster, const char *tables)
{
	const char *word;
	bool ok = true;
	char *table;
	size_t len;

	for (size_t i = 0; i < roster->count; i++) {
		free(roster->entries[i].answer);
		roster->entries[i].answer = NULL;
	}
	while (ok && roster->count > 0 &&
	    (len = postfix_word(&tables, &word)) > 0) {
		table = must(strndup(word, len));
		ok = ask_table(roster, table, false);
		free(table);
	}
	return ok;
}

bool
roster_lookup_at(struct roster *roster, const char *tables)
{
	bool ok;

	roster->prefix = "@";
	ok = roster_lookup(roster, tables);
	roster->prefix = "";
	return ok;
}

/* "KEY TAB VALUE" lines. */
static void
take_addresses(struct roster *roster, char *text)
{
	struct entry *entry;
	char *line, *at;

	while ((line = strsep(&text, "\n")) != NULL) {
		line[strcspn(line, "\t")] = '\0';
		at = strrchr(line, '@');
		entry = at != NULL ? roster_find(roster, at + 1) : NULL;
		if (entry != NULL)
			entry->listed = true;
	}
}

void
roster_match_addresses(
    struct roster *roster, const char *tables, const char **unknown)
{
	const char *word;
	char *table, *text;
	size_t len;

	*unknown = NULL;
	for (size_t i = 0; i < roster->count; i++)
		roster->entries[i].listed = false;
	while ((len = postfix_word(&tables, &word)) > 0) {
		table = must(strndup(word, len));
		if (run_postmap(roster, table, "-s", &text))
			take_addresses(roster, text);
		else
			*unknown = roster->table;
		free(text);
		free(table);
	}
}

/* ---- lists --------------------------------------------------------------- */

static bool
is_within(const char *name, const char *pattern, bool parents)
{
	size_t name_len = strlen(name), len = strlen(pattern);

	if (strcasecmp(name, pattern) == 0)
		return true;
	if (name_len <= len || strcasecmp(name + name_len - len, pattern) != 0)
		return false;
	return pattern[0] == '.' ||
	    (parents && name[name_len - len - 1] == '.');
}

static void
match_name(struct roster *roster, const char *pattern)
{
	bool in = pattern[0] != '!';

	for (size_t i = 0; i < roster->count; i++)
		if (is_within(roster->entries[i].name, pattern + !in,
			roster->parents) &&
		    (in || !roster->entries[i].listed))
			roster->entries[i].listed = in;
}

static bool match_list(struct roster *roster, const char *list, int depth);

static bool
match_file(struct roster *roster, const char *path, int depth)
{
	char line[1024];
	FILE *file;
	bool ok;

	take_up_rights(roster->conf, path);
	file = fopen(path, "re");
	rights_lay_off_again(roster->conf);
	ok = file != NULL && depth < NESTING_MAX;
	if (!ok) {
		snprintf(roster->table, sizeof(roster->table), "%s", path);
		snprintf(
		    roster->error, sizeof(roster->error), "cannot be read");
	}
	while (ok && fgets(line, sizeof(line), file) != NULL)
		if (line[0] != '#')
			ok = match_list(roster, line, depth + 1);
	if (file != NULL)
		fclose(file);
	return ok;
}

static bool
match_word(struct roster *roster, const char *word, int depth)
{
	if (word[0] == '/')
		return match_file(roster, word, depth);
	if (strchr(word, ':') != NULL)
		return ask_table(roster, word, true);
	match_name(roster, word);
	return true;
}

static bool
match_list(struct roster *roster, const char *list, int depth)
{
	const char *word;
	bool ok = true;
	char *made;
	size_t len;

	while (ok && (len = postfix_word(&list, &word)) > 0) {
		made = must(strndup(word, len));
		ok = match_word(roster, made, depth);
		free(made);
	}
	return ok;
}

bool
roster_match(struct roster *roster, const char *list, bool parents)
{
	roster->parents = parents;
	for (size_t i = 0; i < roster->count; i++)
		roster->entries[i].listed = false;
	return roster->count == 0 || match_list(roster, list, 0);
}
