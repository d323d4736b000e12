/* SPDX-License-Identifier: ISC */
/*
 * What Postfix's log says of the tags, and how far it was read.
 * Only held tags are touched. `recipients` names those that still wait, so a
 * recipient counts once, however often the log has it: a final answer takes it
 * off. The last one stays on the list of the settled tag.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "store_count.h"

/* The tag that a line is about, and where its recipient is listed. */
struct target {
	int64_t id;
	bool held;
	char *recipients;
	size_t at, len; /* of the line with its newline; len 0: not listed */
	int64_t left;   /* lines of the list once this one is answered */
	int64_t delivered;
};

/* Whether the `len` bytes at `line` are `local`@`domain`. The list has local
 * parts as the client wrote them: with quotes that may not be needed. */
static bool
is_address(const char *line, size_t len, const char *local, const char *domain)
{
	const char *end = line + len, *at = memrchr(line, '@', len);
	bool quoted = len > 0 && *line == '"';

	if (at == NULL || strlen(domain) != (size_t)(end - at) - 1 ||
	    strncasecmp(at + 1, domain, strlen(domain)) != 0)
		return false;
	if (quoted && *--at != '"')
		return false;
	for (line += quoted; line < at; line++) {
		if (quoted && *line == '\\')
			line++;
		if (tolower((unsigned char)*line) !=
		    tolower((unsigned char)*local++))
			return false;
	}
	return line == at && *local == '\0';
}

static void
find_recipient(struct target *target, const struct logged *logged)
{
	const char *line = target->recipients;
	size_t len;

	for (; *line != '\0'; line += len) {
		len = strcspn(line, "\n");
		if (is_address(line, len, logged->local, logged->domain)) {
			target->at = (size_t)(line - target->recipients);
			target->len = len + (line[len] == '\n');
			return;
		}
		len += line[len] == '\n';
	}
}

/* target->recipients is to be freed. */
static enum store_result
find_target(
    struct store *store, const struct logged *logged, struct target *target)
{
	enum store_result result;
	const char *recipients;
	struct query query;

	if (!query_open(&query, store,
		"SELECT id, state = 'held', recipients, delivered FROM tag "
		"WHERE queue_id = ?1 AND domain = ?2"))
		return STORE_FAILED;
	query_text(&query, logged->queue_id);
	query_text(&query, logged->domain);
	result = query_row(&query);
	if (result == STORE_OK) {
		target->id = query_int_at(&query, 0);
		target->held = query_int_at(&query, 1) != 0;
		recipients = query_text_at(&query, 2);
		target->delivered = query_int_at(&query, 3);
		if (recipients != NULL)
			target->recipients = strdup(recipients);
		if (target->recipients == NULL) {
			base_complain(store, "out of memory");
			result = STORE_FAILED;
		}
	}
	query_close(&query);
	return result;
}

/* Takes the line out, unless it is the only one. */
static void
strike(struct target *target)
{
	char *line = target->recipients + target->at,
	     *rest = line + target->len;

	target->left = 0;
	if (target->at == 0 && *rest == '\0')
		return;
	memmove(line, rest, strlen(rest) + 1);
	/* No newline at the end, where the milter writes none. */
	if (*line == '\0' && line[-1] == '\n')
		line[-1] = '\0';
	target->left = 1;
	for (line = target->recipients; *line != '\0'; line++)
		target->left += *line == '\n';
}

static void
count_end(struct settled *settled, enum tag_state state)
{
	settled->delivered += state == TAG_DELIVERED;
	settled->refused += state == TAG_REFUSED;
	settled->expired += state == TAG_EXPIRED;
	settled->left += state == TAG_LEFT;
}

/* Where the queue was listed meanwhile, `open` knows of the answer already: it
 * is never more than what is on the list, and not counted down. The others on
 * the list were tried at the same time as the first, so only that one counts
 * attempts. */
static enum store_result
note(struct store *store, const struct logged *logged,
    const struct target *target)
{
	struct query query;

	if (!query_open(&query, store,
		"UPDATE tag SET recipients = ?2, "
		"open = min(open, ?3), delivered = delivered + ?4, "
		"attempts = attempts + ?5, last_answer = ?6 WHERE id = ?1"))
		return STORE_FAILED;
	query_int(&query, target->id);
	query_text(&query, target->recipients);
	query_int(&query, target->left);
	query_int(&query, logged->event == MAIL_SENT);
	query_int(&query, target->len > 0 && target->at == 0);
	query_text(&query, logged->answer);
	return query_run(&query);
}

/* With the last of its recipients. */
static enum store_result
settle(struct store *store, const struct logged *logged,
    const struct target *target, struct settled *settled)
{
	bool delivered = target->delivered > 0 || logged->event == MAIL_SENT;
	enum tag_state state = delivered ? TAG_DELIVERED : TAG_REFUSED;

	if (target->left > 0)
		return STORE_OK;
	count_end(settled, state);
	return tag_end(store, target->id, state, logged->when);
}

enum store_result
store_logged(
    struct store *store, const struct logged *logged, struct settled *settled)
{
	struct target target = { .left = INT64_MAX };
	enum store_result result = find_target(store, logged, &target);

	if (result == STORE_OK && target.held) {
		find_recipient(&target, logged);
		if (target.len > 0 && logged->event != MAIL_DEFERRED)
			strike(&target);
		result = note(store, logged, &target);
		if (result == STORE_OK)
			result = settle(store, logged, &target, settled);
	}
	free(target.recipients);
	return result;
}

enum store_result
store_held_domains(
    struct store *store, const char *queue_id, name_visit *visit, void *arg)
{
	enum store_result result;
	struct query query;
	const char *domain;

	if (!query_open(&query, store,
		"SELECT domain FROM tag WHERE queue_id = ?1 AND "
		"state = 'held'"))
		return STORE_FAILED;
	query_text(&query, queue_id);
	while ((result = query_row(&query)) == STORE_OK) {
		domain = query_text_at(&query, 0);
		if (domain != NULL)
			visit(domain, arg);
	}
	return query_end(&query, result);
}

enum store_result
store_logged_end(
    struct store *store, const struct logged *logged, struct settled *settled)
{
	struct target target = { 0 };
	enum store_result result = find_target(store, logged, &target);
	enum tag_state state =
	    logged->event == MAIL_EXPIRED ? TAG_EXPIRED : TAG_LEFT;

	free(target.recipients);
	if (result != STORE_OK || !target.held)
		return result == STORE_FAILED ? STORE_FAILED : STORE_NONE;
	if (target.delivered > 0)
		state = TAG_DELIVERED;
	count_end(settled, state);
	return tag_end(store, target.id, state, logged->when);
}

enum store_result
store_log_position_get(
    struct store *store, const char *path, struct log_position *position)
{
	enum store_result result;
	const char *cursor;
	struct query query;

	if (!query_open(&query, store,
		"SELECT inode, offset, cursor FROM mail_log WHERE path = ?1"))
		return STORE_FAILED;
	query_text(&query, path);
	result = query_row(&query);
	if (result == STORE_OK) {
		position->inode = query_int_at(&query, 0);
		position->offset = query_int_at(&query, 1);
		cursor = query_text_at(&query, 2);
		if (cursor == NULL)
			result = query_row(&query); /* reports the fault */
		else
			strlcpy(
			    position->cursor, cursor, sizeof(position->cursor));
	}
	query_close(&query);
	return result;
}

enum store_result
store_log_position_put(
    struct store *store, const char *path, const struct log_position *position)
{
	struct query query;

	if (!query_open(&query, store,
		"INSERT OR REPLACE INTO mail_log (path, inode, offset, "
		"cursor) VALUES (?1, ?2, ?3, ?4)"))
		return STORE_FAILED;
	query_text(&query, path);
	query_int(&query, position->inode);
	query_int(&query, position->offset);
	query_text(&query, position->cursor);
	return query_run(&query);
}
