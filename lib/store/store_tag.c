/* SPDX-License-Identifier: ISC */
/*
 * Tags: one row for each message and relay domain. The milter adds
 * them, odmrd settles them. `open` counts the recipients without a final
 * answer; `tried` those of them that the session named in the tag has had a
 * 4xx for, so that tried >= open means: nothing left for that session to do.
 */
#include <assert.h>
#include <time.h>

#include "store_internal.h"
#include "lib/uptime.h"

/* Who settled the message, or listed it, before its tag came knows of no
 * client, and who settled it of nothing else. Not OR IGNORE, which would pass
 * over every other constraint as well. */
enum store_result
store_tag_add(struct store *store, const struct tag *tag)
{
	enum store_result renamed = store_tag_rename(store, tag);
	struct query query;

	if (renamed != STORE_NONE)
		return renamed;
	if (!query_open(&query, store,
		"INSERT INTO tag (queue_id, domain, sender, recipients, open, "
		"size, client, arrived) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) "
		"ON CONFLICT (queue_id, domain) DO UPDATE SET "
		"sender = iif(recipients = '', excluded.sender, sender), "
		"recipients = iif(recipients = '', excluded.recipients, "
		"recipients), client = excluded.client WHERE client = ''"))
		return STORE_FAILED;
	query_text(&query, tag->queue_id);
	query_text(&query, tag->domain);
	query_text(&query, tag->sender);
	query_text(&query, tag->recipients);
	query_int(&query, tag->recipient_count);
	query_int(&query, tag->size);
	query_text(&query, tag->client);
	query_int(&query, tag->arrived);
	return query_run(&query);
}

/* ?2 is the session. */
#define UNATTEMPTED                                                            \
	"state = 'held' AND NOT on_hold "                                      \
	"AND (session IS NOT ?2 OR tried < open) "

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
		"SELECT iif(doubted_up > ?5, ?4 - doubted, "
		"min(?4 - doubted, ?5 - doubted_up)) "
		"FROM tag WHERE queue_id = ?1 AND domain = ?2 "
		"AND doubted IS NOT NULL AND doubted_by IS NOT ?3"))
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

/* What a tag becomes: it is settled with the last of its recipients. */
#define FATE                                                                   \
	"iif(?3 + ?4 = 0 OR ?2 > 0 OR open > ?3 + ?4, state, "                 \
	"iif(delivered + ?3 > 0, 'delivered', 'refused')) "

/* What an answer of the customer, or the end of a session, says of it: ?12 is
 * an enum fault, ?13 whether the session took other mail. */
#define SUSPECT                                                                \
	"suspect = CASE ?12 WHEN 0 THEN iif(?9 > 0, 2, 0) "                    \
	"WHEN 2 THEN max(suspect, 1) WHEN 3 THEN 2 "                           \
	"WHEN 4 THEN 3 ELSE suspect END, "                                     \
	"faults = CASE ?12 WHEN 0 THEN 0 "                                     \
	"WHEN 4 THEN faults + (faults = 0 OR ?13) ELSE faults END, "           \
	"faulted = iif(?12 > 1 OR ?9 > 0, ?6, faulted) "

static_assert(SUSPECT_NEAR == 1 && SUSPECT_DOUBTED == 2 &&
	SUSPECT_LIKELY == 3 && FAULT_NONE == 0 && FAULT_UNKNOWN == 1 &&
	FAULT_NEAR == 2 && FAULT_REFUSED == 3 && FAULT_LIKELY == 4,
    "the numbers of the statement above");

/* Every right-hand side sees the row as it was before. A size of 0 is one that
 * the sender did not tell. */
static enum store_result
settle_tag(struct store *store, const struct settlement *settlement,
    const char *queue_id)
{
	struct query query;

	if (!query_open(&query, store,
		"UPDATE tag SET "
		"attempts = attempts + (session IS NOT ?1), "
		"tried = iif(session IS ?1, tried, 0) + ?2, "
		"session = ?1, on_hold = 0, "
		"open = max(0, open - ?3 - ?4), "
		"delivered = delivered + ?3, "
		"last_answer = coalesce(?5, last_answer), "
		"size = iif(size = 0 AND state != 'delivered' AND ?3 + ?4 > 0, "
		"?10, size), "
		"settled = iif(state = " FATE ", settled, ?6), "
		"state = " FATE ", "
		"doubted = coalesce(doubted, iif(?9 > 0, ?6, NULL)), "
		"doubted_up = coalesce(doubted_up, iif(?9 > 0, ?11, NULL)), "
		"doubted_by = coalesce(doubted_by, iif(?9 > 0, ?1, "
		"NULL)), " SUSPECT "WHERE queue_id = ?7 AND domain = ?8"))
		return STORE_FAILED;
	query_text(&query, settlement->session);
	query_int(&query, settlement->kept);
	query_int(&query, settlement->delivered);
	query_int(&query, settlement->refused);
	query_text(&query, settlement->answer);
	query_int(&query, settlement->when);
	query_text(&query, queue_id);
	query_text(&query, settlement->domain);
	query_int(&query, settlement->doubted);
	query_int(&query, settlement->bytes);
	query_int(&query, settlement->up);
	query_int(&query, settlement->fault);
	query_int(&query, settlement->took);
	return query_change(&query);
}

/* What the customer did not take is in the queue still, even where more
 * recipients had an answer than the tag knew of; but what has left the queue
 * has left it. */
static enum store_result
hold_kept(struct store *store, const struct settlement *settlement,
    const char *queue_id)
{
	struct query query;

	if (!query_open(&query, store,
		"UPDATE tag SET state = 'held', settled = NULL, open = ?3 "
		"WHERE queue_id = ?1 AND domain = ?2 "
		"AND (state IN ('delivered', 'refused') "
		"OR (state = 'held' AND open < ?3))"))
		return STORE_FAILED;
	query_text(&query, queue_id);
	query_text(&query, settlement->domain);
	query_int(&query, settlement->kept);
	return query_run(&query);
}

static enum store_result
settle_as(struct store *store, const struct settlement *settlement,
    const char *queue_id)
{
	enum store_result result = settle_tag(store, settlement, queue_id);

	if (result == STORE_OK && settlement->kept > 0)
		result = hold_kept(store, settlement, queue_id);
	return result;
}

/* So that the milter, should its tag come only now, finds it settled. */
static enum store_result
add_settled_tag(struct store *store, const struct settlement *settlement)
{
	struct query query;

	if (!query_open(&query, store,
		"INSERT INTO tag (queue_id, domain, sender, recipients, size, "
		"client, arrived, state, open, delivered, attempts, session, "
		"last_answer, settled) "
		"VALUES (?1, ?2, '', '', ?3, '', ?4, "
		"iif(?5 > 0, 'delivered', 'refused'), 0, ?5, 1, ?6, ?7, ?4)"))
		return STORE_FAILED;
	query_text(&query, settlement->queue_id);
	query_text(&query, settlement->domain);
	query_int(&query, settlement->bytes);
	query_int(&query, settlement->when);
	query_int(&query, settlement->delivered);
	query_text(&query, settlement->session);
	query_text(&query, settlement->answer);
	return query_run(&query);
}

static enum store_result
add_collected(struct store *store, const struct settlement *settlement)
{
	struct query query;

	if (!query_open(&query, store,
		"INSERT INTO collected (domain, last, delivered, bytes) "
		"VALUES (?1, ?2, 1, ?3) "
		"ON CONFLICT (domain) DO UPDATE SET "
		"last = max(last, excluded.last), delivered = delivered + 1, "
		"bytes = bytes + excluded.bytes"))
		return STORE_FAILED;
	query_text(&query, settlement->domain);
	query_int(&query, settlement->when);
	query_int(&query, settlement->bytes);
	return query_run(&query);
}

/* What has passed a content filter was told by its first id only. A tag that a
 * session has settled is another message's, or this one's again. */
static enum store_result
settle_renamed(struct store *store, const struct settlement *settlement)
{
	struct query query;
	enum store_result result;

	if (settlement->other_id == NULL)
		return STORE_NONE;
	if (!query_open(&query, store,
		"UPDATE tag SET queue_id = ?1 WHERE queue_id = ?2 "
		"AND domain = ?3 AND state IN ('held', 'left')"))
		return STORE_FAILED;
	query_text(&query, settlement->queue_id);
	query_text(&query, settlement->other_id);
	query_text(&query, settlement->domain);
	result = query_change(&query);
	return result != STORE_OK
	    ? result
	    : settle_as(store, settlement, settlement->queue_id);
}

static enum store_result
settle(struct store *store, const struct settlement *settlement)
{
	enum store_result known, result;

	result = settle_as(store, settlement, settlement->queue_id);
	if (result == STORE_NONE)
		result = settle_renamed(store, settlement);
	known = result;
	if (result == STORE_NONE &&
	    settlement->delivered + settlement->refused > 0 &&
	    settlement->kept == 0)
		result = add_settled_tag(store, settlement);
	if (result != STORE_FAILED && settlement->delivered > 0)
		result = add_collected(store, settlement);
	return result == STORE_FAILED ? STORE_FAILED : known;
}

enum store_result
store_settle(struct store *store, const struct settlement *settlement)
{
	enum store_result known;

	if (store->in_transaction)
		return settle(store, settlement);
	if (store_begin(store) != STORE_OK)
		return STORE_FAILED;
	known = settle(store, settlement);
	if (known != STORE_FAILED && store_commit(store) == STORE_OK)
		return known;
	store_rollback(store);
	return STORE_FAILED;
}
