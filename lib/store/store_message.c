/* SPDX-License-Identifier: ISC */
/*
 * What the tags tell of messages: those that wait, those that have
 * left the queue, and what became of one.
 */
#include "store_count.h"

#define RECIPIENTS                                                             \
	"coalesce((SELECT group_concat(address, char(10)) FROM (SELECT "       \
	"address FROM recipient WHERE recipient.tag = tag.id ORDER BY "        \
	"address)), ''), "                                                     \
	"(SELECT count(*) FROM recipient WHERE recipient.tag = tag.id) "

#define SELECT_TAG                                                             \
	"SELECT queue_id, domain, sender, size, client, arrived, state, "      \
	"rcpts_open, delivered, attempts, session, last_answer, "              \
	"coalesce(first_5xx_at, 0), coalesce(settled, 0), faults, " SET_APART  \
	", on_hold AND state = 'held', " RECIPIENTS ", id FROM tag "

#define OLDEST_FIRST "ORDER BY arrived, id"

static bool
read_tag(struct query *query, struct tag *tag)
{
	tag->queue_id = query_text_at(query, 0);
	tag->domain = query_text_at(query, 1);
	tag->sender = query_text_at(query, 2);
	tag->size = query_int_at(query, 3);
	tag->client = query_text_at(query, 4);
	tag->arrived = query_int_at(query, 5);
	tag->state = query_text_at(query, 6);
	tag->open = (long)query_int_at(query, 7);
	tag->delivered = (long)query_int_at(query, 8);
	tag->attempts = (long)query_int_at(query, 9);
	tag->session = query_text_at(query, 10);
	tag->last_answer = query_text_at(query, 11);
	tag->doubted = query_int_at(query, 12);
	tag->settled = query_int_at(query, 13);
	tag->faults = (long)query_int_at(query, 14);
	tag->apart = query_int_at(query, 15) != 0;
	tag->on_hold = query_int_at(query, 16) != 0;
	tag->recipients = query_text_at(query, 17);
	tag->recipient_count = (long)query_int_at(query, 18);
	return query_sound(query);
}

static enum store_result
visit_tags(struct store *store, const char *sql, struct value first,
    struct value second, tag_visit *visit, void *arg)
{
	enum store_result result;
	struct query query;
	struct tag tag;

	if (!query_open(&query, store, sql, first, second))
		return STORE_FAILED;
	while ((result = query_row(&query)) == STORE_OK)
		if (read_tag(&query, &tag))
			visit(&tag, arg);
	return query_end(&query, result);
}

/* The state stands in the text: only so is the index of the held ones used. */
enum store_result
store_tag_each(
    struct store *store, const char *domain, tag_visit *visit, void *arg)
{
	static const char all[] =
	    SELECT_TAG "WHERE state = 'held' " OLDEST_FIRST;
	static const char one[] =
	    SELECT_TAG "WHERE state = 'held' AND domain = ?1 " OLDEST_FIRST;

	return visit_tags(store, domain == NULL ? all : one, as_text_if(domain),
	    no_value, visit, arg);
}

/* So that the index of those that are not held is used, too. */
#define FINISHED                                                               \
	"state != 'held' AND state IN ('delivered', 'refused', 'expired', "    \
	"'left') "

enum store_result
store_tag_history(struct store *store, const char *domain, const char *state,
    tag_visit *visit, void *arg)
{
	static const char *const sql[2][2] = {
		{ SELECT_TAG OLDEST_FIRST,
		    SELECT_TAG "WHERE " FINISHED
			       "AND state = ?1 " OLDEST_FIRST },
		{ SELECT_TAG "WHERE state = 'held' AND domain = ?1 "
			     "UNION ALL " SELECT_TAG "WHERE " FINISHED
			     "AND domain = ?1 " OLDEST_FIRST,
		    SELECT_TAG "WHERE " FINISHED "AND state = ?1 "
			       "AND domain = ?2 " OLDEST_FIRST },
	};
	struct value of_state = as_text_if(state),
		     of_domain = as_text_if(domain);

	return visit_tags(store, sql[domain != NULL][state != NULL],
	    state != NULL ? of_state : of_domain,
	    state != NULL ? of_domain : no_value, visit, arg);
}

enum store_result
store_tag_find(
    struct store *store, const char *queue_id, tag_visit *visit, void *arg)
{
	static const char sql[] =
	    SELECT_TAG "WHERE queue_id = ?1 ORDER BY domain";

	return visit_tags(store, sql, as_text(queue_id), no_value, visit, arg);
}

/* STORE_NONE: nothing is held of the message. */
static enum store_result
find_held(struct store *store, const char *queue_id, int64_t *id)
{
	return store_number(store, id,
	    "SELECT id FROM tag WHERE queue_id = ?1 AND state = 'held' "
	    "LIMIT 1",
	    as_text(queue_id));
}

struct leave {
	const char *queue_id;
	int64_t when;
	const char *why;
};

/* The customer's last answer, if there is one, stays legible behind it. */
static enum store_result
leave(struct store *store, void *arg)
{
	const struct leave *leave = arg;
	enum store_result result, last = STORE_NONE;
	int64_t id;

	while ((result = find_held(store, leave->queue_id, &id)) == STORE_OK) {
		last = change_tag(store, id, NULL,
		    "UPDATE tag SET state = 'left', rcpts_open = 0, "
		    "settled = ?2, account_settled = " COLLECTOR
		    "tag.session" COLLECTOR_END ", last_answer = ?3 || "
		    "coalesce('; before: ' || last_answer, '') "
		    "WHERE id = ?1",
		    as_int(leave->when), as_text(leave->why));
		if (last != STORE_OK)
			return STORE_FAILED;
	}
	return result == STORE_FAILED ? STORE_FAILED : last;
}

enum store_result
store_tag_leave(
    struct store *store, const char *queue_id, int64_t when, const char *why)
{
	return store_whole(
	    store, leave, &(struct leave) { queue_id, when, why });
}
