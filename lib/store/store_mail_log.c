/* SPDX-License-Identifier: ISC */
/*
 * What Postfix's log says of the tags, and how far it was read.
 * Only held tags are touched. The recipients are those that still wait, so one
 * counts once, however often the log has it: a final answer takes it off. The
 * last one stays with the settled tag.
 */
#include <string.h>

#include "store_count.h"

/* The tag that a line is about. */
struct target {
	int64_t id;
	bool held;
	int64_t delivered;
	int64_t waiting; /* recipients; once one is answered, without that */
	bool named;      /* one that waits is the line's, */
	bool first;      /* and the first of them */
};

static enum store_result
find_target(
    struct store *store, const struct logged *logged, struct target *target)
{
	enum store_result result;
	struct query query;

	if (!query_open(&query, store,
		"SELECT id, state = 'held', delivered, (SELECT count(*) "
		"FROM recipient WHERE tag = tag.id) FROM tag "
		"WHERE queue_id = ?1 AND domain = ?2",
		as_text(logged->queue_id), as_text(logged->domain)))
		return STORE_FAILED;
	result = query_row(&query);
	if (result == STORE_OK) {
		target->id = query_int_at(&query, 0);
		target->held = query_int_at(&query, 1) != 0;
		target->delivered = query_int_at(&query, 2);
		target->waiting = query_int_at(&query, 3);
	}
	query_close(&query);
	return result;
}

/* The recipient of the line, as the tag may have it: the log has no quotes (RFC
 * 5321, 4.1.2), the client may have written some that are not needed. */
#define NAMED                                                                  \
	"tag = ?1 AND address IN (?3 || '@' || ?2, '\"' || "                   \
	"replace(replace(?3, '\\', '\\\\'), '\"', '\\\"') || '\"@' || ?2) "

static enum store_result
find_recipient(
    struct store *store, const struct logged *logged, struct target *target)
{
	int64_t first = 0;
	enum store_result result = store_number(store, &first,
	    "SELECT address = (SELECT min(address) FROM recipient "
	    "WHERE tag = ?1) FROM recipient WHERE " NAMED,
	    as_int(target->id), as_text(logged->domain),
	    as_text(logged->local));

	target->named = result == STORE_OK;
	target->first = first != 0;
	return result == STORE_FAILED ? STORE_FAILED : STORE_OK;
}

/* Takes the recipient off, unless it is the only one. */
static enum store_result
strike(struct store *store, const struct logged *logged, struct target *target)
{
	if (--target->waiting == 0)
		return STORE_OK;
	return store_run(store, "DELETE FROM recipient WHERE " NAMED,
	    as_int(target->id), as_text(logged->domain),
	    as_text(logged->local));
}

static void
count_end(struct settled *settled, enum tag_state state)
{
	settled->delivered += state == TAG_DELIVERED;
	settled->refused += state == TAG_REFUSED;
	settled->expired += state == TAG_EXPIRED;
	settled->left += state == TAG_LEFT;
}

/* Where the queue was listed meanwhile, `rcpts_open` knows of the answer
 * already: it is never more than those that wait, and not counted down. The
 * others were tried at the same time as the first, so only that one counts
 * attempts. */
static enum store_result
note(struct store *store, const struct logged *logged,
    const struct target *target, bool struck)
{
	return store_run(store,
	    "UPDATE tag SET rcpts_open = iif(?2, min(rcpts_open, ?3), "
	    "rcpts_open), "
	    "delivered = delivered + ?4, attempts = attempts + ?5, "
	    "last_answer = ?6 WHERE id = ?1",
	    as_int(target->id), as_int(struck), as_int(target->waiting),
	    as_int(logged->event == MAIL_SENT), as_int(target->first),
	    as_text(logged->answer));
}

/* With the last of its recipients. */
static enum store_result
settle(struct store *store, const struct logged *logged,
    const struct target *target, struct settled *settled)
{
	bool delivered = target->delivered > 0 || logged->event == MAIL_SENT;
	enum tag_state state = delivered ? TAG_DELIVERED : TAG_REFUSED;

	count_end(settled, state);
	return tag_end(store, target->id, state, logged->when);
}

enum store_result
store_logged(
    struct store *store, const struct logged *logged, struct settled *settled)
{
	struct target target = { 0 };
	enum store_result result = find_target(store, logged, &target);
	bool struck;

	if (result != STORE_OK || !target.held)
		return result;
	if (find_recipient(store, logged, &target) != STORE_OK)
		return STORE_FAILED;
	struck = target.named && logged->event != MAIL_DEFERRED;
	if ((struck && strike(store, logged, &target) != STORE_OK) ||
	    note(store, logged, &target, struck) != STORE_OK)
		return STORE_FAILED;
	return struck && target.waiting == 0
	    ? settle(store, logged, &target, settled)
	    : STORE_OK;
}

enum store_result
store_held_domains(
    struct store *store, const char *queue_id, name_visit *visit, void *arg)
{
	return store_names(store, visit, arg,
	    "SELECT domain FROM tag WHERE queue_id = ?1 AND state = 'held'",
	    as_text(queue_id));
}

enum store_result
store_logged_end(
    struct store *store, const struct logged *logged, struct settled *settled)
{
	struct target target = { 0 };
	enum store_result result = find_target(store, logged, &target);
	enum tag_state state =
	    logged->event == MAIL_EXPIRED ? TAG_EXPIRED : TAG_LEFT;

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
		"SELECT inode, offset, cursor FROM mail_log WHERE path = ?1",
		as_text(path)))
		return STORE_FAILED;
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
	return store_run(store,
	    "INSERT OR REPLACE INTO mail_log (path, inode, offset, "
	    "cursor) VALUES (?1, ?2, ?3, ?4)",
	    as_text(path), as_int(position->inode), as_int(position->offset),
	    as_text(position->cursor));
}
