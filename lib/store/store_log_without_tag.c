/* SPDX-License-Identifier: ISC */
/*
 * What the log told of messages before their tags came. A tag is
 * late by milliseconds as a rule, and by as long as the databases could not be
 * written; some messages never get one, as those that the milter did not see.
 */
#include "store_internal.h"

/* What is kept longer has no tag to come, and of more than that no more is
 * kept: looking through it takes some ten milliseconds. */
enum { AGE_MAX = 3600, LINES_MAX = 10000 };

enum store_result
store_log_without_tag_add(
    struct store *store, const struct logged *logged, int64_t now)
{
	return store_run(store,
	    "INSERT INTO log_without_tag (queue_id, domain, event, local, "
	    "answer, "
	    "logged, kept) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	    as_text(logged->queue_id), as_text(logged->domain),
	    as_int(logged->event), as_text(logged->local),
	    as_text(logged->answer), as_int(logged->when), as_int(now));
}

static enum store_result
is_kept(struct store *store, const char *queue_id)
{
	return store_number(store, NULL,
	    "SELECT 1 FROM log_without_tag WHERE queue_id = ?1 LIMIT 1",
	    as_text(queue_id));
}

/* Of most messages nothing is kept, and to insert into a table from itself
 * takes a temporary one, even for nothing. */
enum store_result
store_log_without_tag_end(
    struct store *store, const struct logged *logged, int64_t now)
{
	enum store_result result = is_kept(store, logged->queue_id);

	if (result != STORE_OK)
		return result == STORE_NONE ? STORE_OK : STORE_FAILED;
	return store_run(store,
	    "INSERT INTO log_without_tag (queue_id, domain, event, local, "
	    "answer, "
	    "logged, kept) SELECT DISTINCT queue_id, domain, ?2, '', '', "
	    "?3, ?4 FROM log_without_tag WHERE queue_id = ?1",
	    as_text(logged->queue_id), as_int(logged->event),
	    as_int(logged->when), as_int(now));
}

static bool
read_logged(struct query *query, struct logged *logged)
{
	logged->queue_id = query_text_at(query, 0);
	logged->domain = query_text_at(query, 1);
	logged->event = (enum mail_event)query_int_at(query, 2);
	logged->local = query_text_at(query, 3);
	logged->answer = query_text_at(query, 4);
	logged->when = query_int_at(query, 5);
	return query_sound(query);
}

#define HAS_TAG                                                                \
	"EXISTS (SELECT 1 FROM tag WHERE tag.queue_id = "                      \
	"log_without_tag.queue_id "                                            \
	"AND tag.domain = log_without_tag.domain) "

enum store_result
store_log_without_tag_each(struct store *store, logged_visit *visit, void *arg)
{
	enum store_result result;
	struct logged logged;
	struct query query;

	if (!query_open(&query, store,
		"SELECT queue_id, domain, event, local, answer, logged "
		"FROM log_without_tag WHERE " HAS_TAG "ORDER BY id",
		no_value))
		return STORE_FAILED;
	while ((result = query_row(&query)) == STORE_OK)
		if (read_logged(&query, &logged))
			visit(&logged, arg);
	return query_end(&query, result);
}

enum store_result
store_log_without_tag_forget(struct store *store, int64_t now)
{
	return store_run(store,
	    "DELETE FROM log_without_tag WHERE kept < ?1 OR id <= "
	    "(SELECT max(id) FROM log_without_tag) - ?2 OR " HAS_TAG,
	    as_int(now - AGE_MAX), as_int(LINES_MAX));
}
