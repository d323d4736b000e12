/* SPDX-License-Identifier: ISC */
/* What Postfix's log says of the tags. */
#ifndef STORE_MAIL_LOG_H
#define STORE_MAIL_LOG_H

#include "store_common.h"
#include "lib/postfix/mail_journal.h"
#include "lib/postfix/mail_log_line.h"

/* What came of one recipient, or the end of a message, of one domain. */
struct logged {
	const char *queue_id;
	const char *domain;
	enum mail_event event;
	const char *local; /* as in mail_log_line.h; not at an end */
	const char *answer;
	int64_t when;
};

typedef void logged_visit(const struct logged *, void *arg);

/* Tags that were settled. */
struct settled {
	int64_t delivered;
	int64_t refused;
	int64_t expired;
	int64_t left;
};

/* A recipient that is on the list of a held tag counts, once, and a final
 * answer takes it off the list as long as others wait. One that is not, by an
 * alias or because the queue had it no more, is told by store_logged_end. Adds
 * to *settled, as that does. STORE_NONE: there is no tag, held or not. */
enum store_result store_logged(
    struct store *, const struct logged *, struct settled *settled);
/* The domains for which a message is held. */
enum store_result store_held_domains(
    struct store *, const char *queue_id, name_visit *visit, void *arg);
/* The message is gone: its held tag becomes delivered if some recipient was,
 * else expired or left. */
enum store_result store_logged_end(
    struct store *, const struct logged *, struct settled *settled);

/* Keeps what was logged, at `now`, of a message that has no tag yet. */
enum store_result store_log_without_tag_add(
    struct store *, const struct logged *, int64_t now);
/* The same for the end of a message, for each domain of which something is
 * kept; logged->domain does not matter. */
enum store_result store_log_without_tag_end(
    struct store *, const struct logged *, int64_t now);
/* Of what is kept, what has its tag now, in the order of the log. */
enum store_result store_log_without_tag_each(
    struct store *, logged_visit *visit, void *arg);
/* Forgets that, and what is too old at `now`, or too much. */
enum store_result store_log_without_tag_forget(struct store *, int64_t now);

/* How far a log was read. All is 0: it never was. */
struct log_position {
	int64_t inode;
	int64_t offset;
	char
	    cursor[MAIL_JOURNAL_CURSOR_SIZE]; /* of the journal, in its stead */
};

/* STORE_NONE, and *position untouched: it never was. */
enum store_result store_log_position_get(
    struct store *, const char *path, struct log_position *position);
/* Inserts or replaces. */
enum store_result store_log_position_put(
    struct store *, const char *path, const struct log_position *);

#endif
