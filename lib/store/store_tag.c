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
	struct query query;
	int64_t id;

	if (!query_open(&query, store,
		"INSERT INTO tag (queue_id, domain, sender, rcpts_open, size, "
		"client, arrived, account_received) VALUES (?1, ?2, ?3, ?4, "
		"?5, "
		"?6, ?7, " OWNER "?2" OWNER_END ") "
		"ON CONFLICT (queue_id, domain) DO NOTHING"))
		return STORE_FAILED;
	query_text(&query, tag->queue_id);
	query_text(&query, tag->domain);
	query_text(&query, tag->sender);
	query_int(&query, tag->recipient_count);
	query_int(&query, tag->size);
	query_text(&query, tag->client);
	query_int(&query, tag->arrived);
	result = query_change(&query);
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
	struct query query;
	int64_t id;

	result = store_tag_id(store, tag->queue_id, tag->domain, &id);
	if (result != STORE_OK)
		return result;
	if (!query_open(&query, store,
		"UPDATE tag SET sender = iif(" UNKNOWN ", ?2, sender), "
		"client = ?3 WHERE id = ?1 AND client = '' "
		"RETURNING " UNKNOWN))
		return STORE_FAILED;
	query_int(&query, id);
	query_text(&query, tag->sender);
	query_text(&query, tag->client);
	result = query_row(&query);
	if (result == STORE_OK && query_int_at(&query, 0) == 0)
		result = STORE_NONE;
	query_close(&query);
	if (result == STORE_OK)
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
	enum store_result result;
	struct query query;

	if (!query_open(&query, store,
		"SELECT id FROM tag WHERE queue_id = ?1 AND domain = ?2"))
		return STORE_FAILED;
	query_text(&query, queue_id);
	query_text(&query, domain);
	result = query_row(&query);
	if (result == STORE_OK)
		*id = query_int_at(&query, 0);
	query_close(&query);
	return result;
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
	enum store_result result;
	struct query query;

	if (!query_open(&query, store, session == NULL ? all : unattempted))
		return STORE_FAILED;
	query_text(&query, domain);
	if (session != NULL)
		query_text(&query, session);
	result = query_row(&query);
	if (result == STORE_OK)
		*count += query_int_at(&query, 0);
	return query_end(&query, result);
}

enum store_result
store_tag_unattempted(struct store *store, const char *domain,
    const char *session, int64_t limit, name_visit *visit, void *arg)
{
	enum store_result result;
	struct query query;
	const char *id;

	if (!query_open(&query, store,
		"SELECT queue_id FROM tag WHERE domain = ?1 AND " UNATTEMPTED
		"ORDER BY arrived LIMIT ?3"))
		return STORE_FAILED;
	query_text(&query, domain);
	query_text(&query, session);
	query_int(&query, limit);
	while ((result = query_row(&query)) == STORE_OK)
		if ((id = query_text_at(&query, 0)) != NULL)
			visit(id, arg);
	return query_end(&query, result);
}

enum store_result
store_tag_hold(struct store *store, const char *queue_id)
{
	struct query query;

	if (!query_open(&query, store,
		"UPDATE tag SET on_hold = 1 "
		"WHERE queue_id = ?1 AND state = 'held'"))
		return STORE_FAILED;
	query_text(&query, queue_id);
	return query_change(&query);
}

enum store_result
store_tag_doubted(struct store *store, const char *queue_id, const char *domain,
    const char *session, int64_t *age)
{
	enum store_result result;
	struct query query;

	if (!query_open(&query, store,
		"SELECT iif(first_5xx_uptime > ?5, ?4 - first_5xx_at, "
		"min(?4 - first_5xx_at, ?5 - first_5xx_uptime)) "
		"FROM tag WHERE queue_id = ?1 AND domain = ?2 "
		"AND first_5xx_at IS NOT NULL AND first_5xx_session IS NOT ?3"))
		return STORE_FAILED;
	query_text(&query, queue_id);
	query_text(&query, domain);
	query_text(&query, session);
	query_int(&query, time(NULL));
	query_int(&query, uptime());
	result = query_row(&query);
	if (result == STORE_OK)
		*age = query_int_at(&query, 0);
	query_close(&query);
	return result;
}
