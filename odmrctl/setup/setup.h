/* SPDX-License-Identifier: ISC */
/*
 * odmrctl setup: joins our lines with those of a running Postfix, and takes
 * them away again. All thinking is done on a copy of its configuration
 * (draft.c), of which postconf(1) tells what it means; the true files are
 * replaced at the end, both or none (swap.c).
 *
 * What cannot be joined surely is an obstacle: a line that names file, line and
 * what to do by hand. With one of them nothing is changed.
 */
#ifndef SETUP_H
#define SETUP_H

#include <sys/queue.h>

#include <stdio.h>

#include "cf.h"
#include "odmrctl/odmrctl.h"
#include "odmrctl/postfix.h"

struct remark {
	STAILQ_ENTRY(remark) entry;
	char *text;
};
STAILQ_HEAD(remarks, remark);

struct setup {
	struct context *ctx;
	const struct conf *conf; /* of the Postfix that is to be changed */
	struct conf draft;       /* the same, of the copy */
	char *directory;         /* of the copy; NULL: there is none */
	char *main_path, *master_path; /* the true ones */
	struct cf main, master;        /* as they are to be */
	struct postfix postfix;        /* as the copy was when it was read */
	bool changed;                  /* since then */
	struct remarks obstacles, notes;
};

/* ---- remarks (remark.c) ----------------------------------------------- */

/* An obstacle at a byte of one of the files, or without a place. */
void setup_refuse_at(struct setup *, const struct cf *, size_t at,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void setup_refuse(struct setup *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* What the operator should know before he says yes. */
void setup_note(struct setup *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void setup_free_remarks(struct remarks *);
/* To be freed. */
char *setup_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- the copy (draft.c) -------------------------------------------------- */

/* Makes it and reads it. EX_OK, or complains. */
int draft_open(struct setup *);
void draft_close(struct setup *);
/* Writes the files as they are to be, and reads what Postfix makes of them. */
int draft_read(struct setup *);
/* Postfix would warn of what it does not warn of today, cannot read a table
 * that we name, or, with `doctor`, that finds a new error: obstacles. EX_OK, or
 * complains. (draft_check.c) */
int draft_check(struct setup *, bool doctor);

/* ---- what there has to be (wish.c) --------------------------------------- */

enum wish_kind {
	WISH_LAST,   /* a word of a list, behind all others */
	WISH_FIRST,  /* before all others */
	WISH_MILTER, /* our milter, the last of its list */
	WISH_ABSENT, /* no word of this list */
	WISH_LEAST,  /* a time: no shorter */
	WISH_MOST,   /* no longer */
	WISH_VALUE,  /* this and nothing else */
	WISH_UNSET,  /* where main.cf says nothing */
	WISH_ETRN,   /* smtpd_etrn_restrictions */
	WISH_DIGEST, /* smtpd_tls_fingerprint_digest */
	WISH_USER,   /* a list of users, unless it is a table */
};

/* `value` is a template, see wish_text. `base` is what stands for the others
 * where main.cf has none of the name: a text for it, NULL for the default as
 * it is now. */
struct wish {
	const char *name;
	enum wish_kind kind;
	const char *value;
	const char *base;
};

extern const struct wish wishes[];
extern const size_t wish_count;

/*
 * With what odmr.conf says in the place of %d (domain_table), %e (etrn_table),
 * %c (the directory of odmr.conf), %f (odmr.conf), %m (our entry in
 * smtpd_milters), %p (etrn-trigger), %u (user), %g (flush_group) and %s
 * (submission_server). To be freed.
 */
char *wish_text(const struct setup *, const char *template);
/* Is the word of smtpd_milters our milter? */
bool wish_is_milter(const struct setup *, const char *word, size_t len);
/* How often the expanded list has it, as Postfix would use it. */
int wish_listed(const struct setup *, const struct wish *, const char *list);

/* ---- joining ------------------------------------------------------------- */

/* Everything, until nothing is left to do. EX_OK, also with obstacles, or
 * complains. (join.c) */
int join_all(struct setup *);
/* Is the expanded value not as it should be? Never, where it depends on more
 * than that. */
bool value_is_wrong(
    const struct setup *, const struct wish *, const char *value);
/* A setting of main.cf by this name; false and an obstacle: it is there twice.
 * `*entry` NULL: it is not there. */
bool join_find(struct setup *, const char *name, const struct cf_entry **entry);
void join_append(struct setup *, const char *name, const char *value);

/* One word more in a list of main.cf, or one less. (join_list.c) */
void list_join(struct setup *, const struct wish *);
void list_take_out(struct setup *, const struct wish *);
/* Puts the word behind the last, or before the first. */
void list_add(
    struct cf *, const struct cf_entry *, const char *word, bool in_front);
void list_remove(struct cf *, const struct cf_word *);
/* With new lines where a line would get too long; to be freed. */
char *list_wrap(const char *text, size_t column);

/* smtpd_etrn_restrictions of main.cf. (join_etrn.c) */
void etrn_join(struct setup *, const struct wish *);
/* The same for a value elsewhere, which ends up in `*joined`, or NULL: it stays
 * as it is. False: it cannot be told what it means. */
bool etrn_join_value(const struct setup *, const char *value,
    const char *expanded, char **joined);

/* The services that we need, and the -o options of the others.
 * (join_master.c) */
void master_join(struct setup *);
void master_join_options(struct setup *);
/* After all: does an smtpd(8) call our milter? */
void master_check_milter(struct setup *);
/* Where the value of the option "-o NAME=VALUE" or "-o { NAME = VALUE }" is,
 * of which `word` is what follows the -o. */
struct master_option {
	char *name, *value;
	struct cf_word word;
};
/* The next of a service from `*at`; its texts are to be freed. */
bool master_next_option(const struct cf *, const struct cf_entry *, size_t *at,
    struct master_option *);
void master_free_option(struct master_option *);
/* Is it, by its "name/type", one of those that we add? */
bool master_is_ours(const struct setup *, const char *name);

/* Above what is added at the end of a file. */
#define SETUP_MAIN_COMMENT                                                     \
	"\n# Added by odmrctl setup; reasons: postfix-conf/main.cf\n"
#define SETUP_MASTER_COMMENT                                                   \
	"\n# Added by odmrctl setup; reasons: postfix-conf/master.cf\n"

#endif
