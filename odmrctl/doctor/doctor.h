/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: what its checks share. A check looks, changes nothing, never
 * waits for long, and reports what would lose, leak or delay mail. Where it
 * cannot look, that is a finding as well, or noted by doctor_unseen.
 *
 * Texts for findings come from doctor_text and live as long as the doctor.
 */
#ifndef DOCTOR_H
#define DOCTOR_H

#include <sys/queue.h>

#include <stdarg.h>
#include <stdio.h>

#include "finding.h"
#include "odmrctl/odmrctl.h"
#include "odmrctl/postfix.h"

struct found {
	STAILQ_ENTRY(found) entry;
	enum finding finding;
	const char *where, *what, *cure;
};

struct text {
	SLIST_ENTRY(text) entry;
	char *text;
};

struct doctor {
	const struct context *ctx;
	const struct conf *conf;
	struct store *store;             /* a reader; NULL: no use to ask it */
	const struct postfix *postfix;   /* NULL: it could not be read */
	const char *main_cf, *master_cf; /* paths */
	STAILQ_HEAD(, found) found;
	SLIST_HEAD(, text) texts;
	int counts[SEVERITIES];
	bool tables_agree; /* Postfix's with the database */
	const char *from;  /* a host that is to connect; NULL: none */
};

/* `where` is the file or place, `cure` a line for a shell; where a person has
 * to choose, a comment in it says what. Both have to last, see above. */
void doctor_find(struct doctor *, enum finding, const char *where,
    const char *cure, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* Only root could look at `path`. */
void doctor_unseen(struct doctor *, const char *path);
/* The same if it is so. */
bool doctor_is_unseen(struct doctor *, const char *path);
const char *doctor_text(struct doctor *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
const char *doctor_keep(struct doctor *, const char *fmt, va_list)
    __attribute__((format(printf, 2, 0)));
/* As the shell takes it for one word. */
const char *doctor_word(struct doctor *, const char *name);
/* "$EDITOR PATH # WHAT"; NULL: odmr.conf. */
const char *doctor_edit(struct doctor *, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The setting of odmr.conf. */
const char *doctor_set(struct doctor *, const char *name, const char *value);
/* "odmrctl COMMAND" for this configuration. */
const char *doctor_odmrctl(struct doctor *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* " -c DIRECTORY", where programs of this Postfix need it. */
const char *doctor_option_c(struct doctor *);
/* "postconf -e 'NAME = VALUE'" for this Postfix. */
const char *doctor_cure(struct doctor *, const char *name, const char *value);
/* "postconf -P 'SERVICE/TYPE/NAME=VALUE'", or the editor for a value that has
 * to have blanks */
const char *doctor_cure_of(struct doctor *, const struct service *,
    const char *name, const char *value);

/* The setting as main.cf has it, or expanded where only so it has the word. */
const char *doctor_list_with(
    struct doctor *, const char *setting, const char *word);
/* A list of Postfix without a word. */
const char *doctor_less(struct doctor *, const char *list, const char *word);

/* The service as we ship it: of deliveries, and of the policy for ETRN. */
const char *doctor_cure_odmr(struct doctor *);
const char *doctor_cure_policy(struct doctor *, const char *name);

/* May this user not use the file like that? The kernel is asked, by a process
 * that becomes the user, so that directories on the way and ACLs count too.
 * `mode` is that of access(2), `group` one more that the user has, or NULL.
 * False as well where only root can find out, or there is no such file. */
bool access_as_denied(
    const char *user, const char *group, const char *path, int mode);

/* Prints what was found. */
void doctor_report(struct doctor *, bool json);

typedef void doctor_check(struct doctor *);

doctor_check check_sockets, check_files, check_tables, check_database_file,
    check_database, check_settings, check_etrn, check_milter_settings,
    check_domains, check_accounts, check_loops, check_certificate, check_daemon,
    check_milter_answer, check_tags, check_twice, check_filters,
    check_recipients, check_firewall, check_programs;

#endif
