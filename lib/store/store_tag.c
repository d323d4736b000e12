/* SPDX-License-Identifier: ISC */
/*
 * Tags: one row for each message and relay domain. The milter adds
 * them, odmrd settles them (store_settle.c). `rcpts_open` counts
 * the recipients without a final answer; `rcpts_deferred` those of them that
 * the session named in the tag has had a 4xx for, so that rcpts_deferred >=
 * rcpts_open means: nothing left for that session to do.
 */
#include <time.h>

#include "store_count.h"
#include "lib/uptime.h"

static enum store_result
insert(struct store *store, const struct tag *tag)
{
	enum store_result result;
	int64_t id;

	result = store_change(store,
	    "INSERT INTO tag (queue_id, domain, sender, rcpts_open, size, "
	    "client, arrived, account_received) VALUES (?1, ?2, ?3, ?4, "
	    "?5, "
	    "?6, ?7, " OWNER "?2" OWNER_END ") "
	    "ON CONFLICT (queue_id, domain) DO NOTHING",
	    as_text(tag->queue_id), as_text(tag->domain), as_text(tag->sender),
	    as_int(tag->recipient_count), as_int(tag->size),
	    as_text(tag->client), as_int(tag->arrived));
	if (result != STORE_OK)
		return result;
	id = sqlite3_last_insert_rowid(store->db);
	result = recipients_insert(store, id, tag->recipients);
	return result == STORE_OK ? count_new(store, id, NULL) : result;
}

#define UNKNOWN "NOT EXISTS (SELECT 1 FROM recipient WHERE tag = ?1) "

/* Who settled the message, or listed it, before its tag came knows of no
 * client, and who settled it of nothing else. */
static enum store_result
complete(struct store *store, const struct tag *tag)
{
	enum store_result result;
	int64_t id, unknown = 0;

	result = store_tag_id(store, tag->queue_id, tag->domain, &id);
	if (result == STORE_OK)
		result = store_number(store, &unknown,
		    "UPDATE tag SET sender = iif(" UNKNOWN ", ?2, sender), "
		    "client = ?3 WHERE id = ?1 AND client = '' "
		    "RETURNING " UNKNOWN,
		    as_int(id), as_text(tag->sender), as_text(tag->client));
	if (result == STORE_OK && unknown)
		result = recipients_insert(store, id, tag->recipients);
	return result == STORE_FAILED ? STORE_FAILED : STORE_OK;
}

static enum store_result
add(struct store *store, void *arg)
{
	const struct tag *tag = arg;
	enum store_result result = store_tag_rename(store, tag);

	if (result == STORE_NONE)
		result = insert(store, tag);
	return result == STORE_NONE ? complete(store, tag) : result;
}

enum store_result
store_tag_add(struct store *store, const struct tag *tag)
{
	return store_whole(store, add, (void *)(uintptr_t)tag);
}

enum store_result
store_tag_id(
    struct store *store, const char *queue_id, const char *domain, int64_t *id)
{
	return store_number(store, id,
	    "SELECT id FROM tag WHERE queue_id = ?1 AND domain = ?2",
	    as_text(queue_id), as_text(domain));
}

/* ?2 is the session. */
#define UNATTEMPTED                                                            \
	"state = 'held' AND NOT on_hold "                                      \
	"AND (session IS NOT ?2 OR rcpts_deferred < rcpts_open) "

enum store_result
store_tag_count(struct store *store, const char *domain, const char *session,
    int64_t *count)
{
	static const char all[] =
	    "SELECT count(*) FROM tag WHERE domain = ?1 AND state = 'held'";
	static const char unattempted[] =
	    "SELECT count(*) FROM tag WHERE domain = ?1 AND " UNATTEMPTED;
	int64_t held = 0;
	enum store_result result =
	    store_number(store, &held, session == NULL ? all : unattempted,
		as_text(domain), as_text_if(session));

	*count += held;
	return result;
}

enum store_result
store_tag_unattempted(struct store *store, const char *domain,
    const char *session, int64_t limit, name_visit *visit, void *arg)
{
	return store_names(store, visit, arg,
	    "SELECT queue_id FROM tag WHERE domain = ?1 AND " UNATTEMPTED
	    "ORDER BY arrived LIMIT ?3",
	    as_text(domain), as_text(session), as_int(limit));
}

enum store_result
store_tag_hold(struct store *store, const char *queue_id)
{
	return store_change(store,
	    "UPDATE tag SET on_hold = 1 "
	    "WHERE queue_id = ?1 AND state = 'held'",
	    as_text(queue_id));
}

enum store_result
store_tag_doubted(struct store *store, const char *queue_id, const char *domain,
    const char *session, int64_t *age)
{
	return store_number(store, age,
	    "SELECT iif(first_5xx_uptime > ?5, ?4 - first_5xx_at, "
	    "min(?4 - first_5xx_at, ?5 - first_5xx_uptime)) "
	    "FROM tag WHERE queue_id = ?1 AND domain = ?2 "
	    "AND first_5xx_at IS NOT NULL AND first_5xx_session IS NOT ?3",
	    as_text(queue_id), as_text(domain), as_text(session),
	    as_int(time(NULL)), as_int(uptime()));
}
