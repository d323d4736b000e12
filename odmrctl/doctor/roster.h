/* SPDX-License-Identifier: ISC */
/*
 * All domains, and what Postfix knows of each: its lists and tables are asked
 * as Postfix asks them, a table for all domains at once (postmap -q -).
 */
#ifndef ROSTER_H
#define ROSTER_H

#include "odmrctl/postfix.h"
#include "lib/store/store.h"

enum { ROSTER_TABLE_SIZE = 1024 };

struct entry {
	char *name, *nexthop, *socket;
	enum domain_mode mode;
	int64_t created;
	char *answer; /* of the table asked last; NULL: none */
	bool listed;  /* in the list asked last */
};

struct roster {
	struct entry *entries; /* in the order of the names */
	size_t count, room;
	/* roster.c's */
	const struct postfix *postfix;
	const struct conf *conf;
	const char *prefix; /* of what is looked up */
	bool parents;
	char error[POSTFIX_ERROR_SIZE];
	char table[ROSTER_TABLE_SIZE]; /* that `error` is about */
};

struct doctor;

enum store_result roster_load(struct roster *, const struct doctor *);
/* Further entries for what Postfix looks up where a domain is written in UTF-8,
 * with that as their names. */
void roster_add_spellings(struct roster *);
void roster_free(struct roster *);
/* NULL: no such domain. */
struct entry *roster_find(const struct roster *, const char *name);

/*
 * Sets `listed` for the domains in a list such as relay_domains, of names,
 * tables and files (with `parents`, subdomains are in it too), or `answer` for
 * those that a list of tables such as transport_maps has. False, with one line
 * in the roster's `error`: a table cannot be read.
 */
bool roster_match(struct roster *, const char *list, bool parents);
bool roster_lookup(struct roster *, const char *tables);
/* The same for "@DOMAIN". */
bool roster_lookup_at(struct roster *, const char *tables);
/* Sets `listed` for the domains of which the tables have any address. Those
 * that cannot be listed are left out: `*unknown` is the last of these, in
 * `table`, or NULL. */
void roster_match_addresses(
    struct roster *, const char *tables, const char **unknown);

/* What was looked up for this setting could not be. */
void doctor_map_failed(
    struct doctor *, const struct roster *, const char *setting);

#endif
