/* SPDX-License-Identifier: ISC */
/* What came of a message in a session. */
#include <assert.h>

#include "store_count.h"

/* What a tag becomes: it is settled with the last of its recipients. */
#define FATE                                                                   \
	"iif(?4 + ?5 = 0 OR ?3 > 0 OR rcpts_open > ?4 + ?5, state, "           \
	"iif(delivered + ?4 > 0, 'delivered', 'refused')) "

/* What an answer of the customer, or the end of a session, says of it: ?11 is
 * an enum fault, ?12 whether the session took other mail. */
#define SUSPECT                                                                \
	"suspect = CASE ?11 WHEN 0 THEN iif(?8 > 0, 2, 0) "                    \
	"WHEN 2 THEN max(suspect, 1) WHEN 3 THEN 2 "                           \
	"WHEN 4 THEN 3 ELSE suspect END, "                                     \
	"faults = CASE ?11 WHEN 0 THEN 0 "                                     \
	"WHEN 4 THEN faults + (faults = 0 OR ?12) ELSE faults END, "           \
	"faulted = iif(?11 > 1 OR ?8 > 0, ?7, faulted) "

static_assert(SUSPECT_NEAR == 1 && SUSPECT_DOUBTED == 2 &&
	SUSPECT_LIKELY == 3 && FAULT_NONE == 0 && FAULT_UNKNOWN == 1 &&
	FAULT_NEAR == 2 && FAULT_REFUSED == 3 && FAULT_LIKELY == 4,
    "the numbers of the statement above");

/* Every right-hand side sees the row as it was before. A size of 0 is one that
 * the sender did not tell. */
static enum store_result
settle_tag(struct store *store, const struct settlement *settlement, int64_t id)
{
	return change_tag(store, id,
	    settlement->delivered > 0 ? settlement : NULL,
	    "UPDATE tag SET attempts = attempts + (session IS NOT ?2), "
	    "rcpts_deferred = iif(session IS ?2, rcpts_deferred, 0) + ?3, "
	    "session = ?2, on_hold = 0, "
	    "rcpts_open = max(0, rcpts_open - ?4 - ?5), "
	    "delivered = delivered + ?4, "
	    "last_answer = coalesce(?6, last_answer), "
	    "size = iif(size = 0 AND state != 'delivered' AND ?4 + ?5 > 0, "
	    "?9, size), settled = iif(state = " FATE ", settled, ?7), "
	    "account_settled = iif(state = " FATE
	    ", account_settled, " COLLECTOR "?2" COLLECTOR_END
	    "), state = " FATE ", "
	    "first_5xx_at = coalesce(first_5xx_at, iif(?8 > 0, ?7, NULL)), "
	    "first_5xx_uptime = "
	    "coalesce(first_5xx_uptime, iif(?8 > 0, ?10, NULL)), "
	    "first_5xx_session = "
	    "coalesce(first_5xx_session, iif(?8 > 0, ?2, NULL)), " SUSPECT
	    "WHERE id = ?1",
	    as_text(settlement->session), as_int(settlement->kept),
	    as_int(settlement->delivered), as_int(settlement->refused),
	    as_text(settlement->answer), as_int(settlement->when),
	    as_int(settlement->doubted), as_int(settlement->bytes),
	    as_int(settlement->up), as_int(settlement->fault),
	    as_int(settlement->took));
}

/* What the customer did not take is in the queue still, even where more
 * recipients had an answer than the tag knew of; but what has left the queue
 * has left it. */
static enum store_result
hold_kept(struct store *store, const struct settlement *settlement, int64_t id)
{
	if (settlement->kept == 0)
		return STORE_OK;
	return change_tag(store, id, NULL,
	    "UPDATE tag SET " HOLD ", rcpts_open = ?2 WHERE id = ?1 "
	    "AND (state IN ('delivered', 'refused') "
	    "OR (state = 'held' AND rcpts_open < ?2))",
	    as_int(settlement->kept));
}

/* So that the milter, should its tag come only now, finds it settled. */
static enum store_result
add_settled_tag(struct store *store, const struct settlement *settlement)
{
	if (store_run(store,
		"INSERT INTO tag (queue_id, domain, sender, size, "
		"client, arrived, state, rcpts_open, delivered, attempts, "
		"session, "
		"last_answer, settled, account_received, account_settled) "
		"SELECT ?1, tag.domain, '', ?3, '', ?4, "
		"iif(?5 > 0, 'delivered', 'refused'), 0, ?5, 1, ?6, ?7, "
		"?4, " OWNER "tag.domain" OWNER_END ", " COLLECTOR
		"?6" COLLECTOR_END "FROM (SELECT ?2 AS domain) AS tag",
		as_text(settlement->queue_id), as_text(settlement->domain),
		as_int(settlement->bytes), as_int(settlement->when),
		as_int(settlement->delivered), as_text(settlement->session),
		as_text(settlement->answer)) != STORE_OK)
		return STORE_FAILED;
	return count_new(store, sqlite3_last_insert_rowid(store->db),
	    settlement->delivered > 0 ? settlement : NULL);
}

/* What has passed a content filter was told by its first id only. A tag that a
 * session has settled is another message's, or this one's again. */
static enum store_result
rename_other(
    struct store *store, const struct settlement *settlement, int64_t *id)
{
	enum store_result result;

	if (settlement->other_id == NULL)
		return STORE_NONE;
	result =
	    store_tag_id(store, settlement->other_id, settlement->domain, id);
	if (result != STORE_OK)
		return result;
	return store_change(store,
	    "UPDATE tag SET queue_id = ?2 WHERE id = ?1 "
	    "AND state IN ('held', 'left')",
	    as_int(*id), as_text(settlement->queue_id));
}

/* STORE_NONE also where the tag is new. */
static enum store_result
settle_untagged(struct store *store, const struct settlement *settlement)
{
	enum store_result result = STORE_OK;

	if (settlement->kept == 0 &&
	    settlement->delivered + settlement->refused > 0)
		result = add_settled_tag(store, settlement);
	else if (settlement->delivered > 0)
		result = count_taken(store, settlement);
	return result == STORE_OK ? STORE_NONE : STORE_FAILED;
}

static enum store_result
settle(struct store *store, void *arg)
{
	const struct settlement *settlement = arg;
	enum store_result result;
	int64_t id;

	result =
	    store_tag_id(store, settlement->queue_id, settlement->domain, &id);
	if (result == STORE_NONE)
		result = rename_other(store, settlement, &id);
	if (result == STORE_NONE)
		return settle_untagged(store, settlement);
	if (result == STORE_OK)
		result = settle_tag(store, settlement, id);
	if (result != STORE_OK ||
	    hold_kept(store, settlement, id) == STORE_FAILED)
		return STORE_FAILED;
	return STORE_OK;
}

enum store_result
store_settle(struct store *store, const struct settlement *settlement)
{
	return store_whole(store, settle, (void *)(uintptr_t)settlement);
}
