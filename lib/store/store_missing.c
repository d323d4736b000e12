/* SPDX-License-Identifier: ISC */
/*
 * Held tags whose messages are not in the queue any more. Whether a
 * tag is still held is looked at again when it is settled: a session may have
 * been first.
 */
#include "store_batch.h"
#include "store_reconcile.h"

enum store_result
store_missing_find(struct store *store, int64_t before, int64_t *missing)
{
	struct query query;

	if (!query_open(&query, store,
		"INSERT INTO temp.missing SELECT id FROM tag "
		"WHERE state = 'held' AND arrived < ?1 AND NOT EXISTS "
		"(SELECT 1 FROM temp.listed WHERE queue_id = tag.queue_id "
		"AND domain = tag.domain)"))
		return STORE_FAILED;
	query_int(&query, before);
	*missing = 0;
	return count_changes(&query, missing);
}

enum store_result
store_missing_check(struct store *store, int64_t *missing, int64_t *returned)
{
	struct query query;

	if (!query_open(&query, store,
		"DELETE FROM temp.missing WHERE id IN (SELECT tag.id "
		"FROM temp.missing JOIN tag USING (id) "
		"JOIN temp.listed USING (queue_id, domain))"))
		return STORE_FAILED;
	*returned = 0;
	if (count_changes(&query, returned) != STORE_OK)
		return STORE_FAILED;
	*missing -= *returned;
	return STORE_OK;
}

/* Binds ?1 and ?2. */
static bool
open_batch(struct query *query, struct store *store, const struct batch *batch,
    const char *sql)
{
	if (!query_open(query, store, sql))
		return false;
	query_int(query, batch->from);
	query_int(query, batch->to);
	return true;
}

#define MISSING_IN_BATCH                                                       \
	"WHERE id IN (SELECT id FROM temp.missing WHERE id > ?1 AND id <= "    \
	"?2) "                                                                 \
	"AND state = 'held' "

/* A message that is there for others, of a domain whose mail only a session
 * can take, and none did: it was rewritten after the milter had seen it. */
static enum store_result
remove_rewritten(
    struct store *store, const struct batch *batch, int64_t *changed)
{
	struct query query;

	if (!open_batch(&query, store, batch,
		"DELETE FROM tag " MISSING_IN_BATCH "AND session IS NULL "
		"AND domain IN (SELECT domain FROM temp.relay WHERE collected) "
		"AND queue_id IN (SELECT queue_id FROM temp.listed) "
		"AND " NO_SESSION))
		return STORE_FAILED;
	return count_changes(&query, changed);
}

static enum store_result
settle_delivered(
    struct store *store, const struct batch *batch, struct missing_fate *fate)
{
	struct query query;

	if (!open_batch(&query, store, batch,
		"UPDATE tag SET state = 'delivered', settled = "
		"?3 " MISSING_IN_BATCH "AND delivered > 0"))
		return STORE_FAILED;
	query_int(&query, fate->now);
	return count_changes(&query, &fate->delivered);
}

static enum store_result
settle_expired(
    struct store *store, const struct batch *batch, struct missing_fate *fate)
{
	struct query query;

	if (!open_batch(&query, store, batch,
		"UPDATE tag SET state = 'expired', settled = "
		"?3 " MISSING_IN_BATCH
		"AND arrived + iif(sender = '', ?5, ?4) <= ?3"))
		return STORE_FAILED;
	query_int(&query, fate->now);
	query_int(&query, fate->lifetime);
	query_int(&query, fate->bounce_lifetime);
	return count_changes(&query, &fate->expired);
}

static enum store_result
settle_left(
    struct store *store, const struct batch *batch, struct missing_fate *fate)
{
	struct query query;

	if (!open_batch(&query, store, batch,
		"UPDATE tag SET state = 'left', settled = "
		"?3 " MISSING_IN_BATCH))
		return STORE_FAILED;
	query_int(&query, fate->now);
	return count_changes(&query, &fate->left);
}

static enum store_result
settle_missing(struct store *store, const struct batch *batch, void *arg)
{
	struct missing_fate *fate = arg;

	if (remove_rewritten(store, batch, &fate->changed) != STORE_OK ||
	    settle_delivered(store, batch, fate) != STORE_OK ||
	    settle_expired(store, batch, fate) != STORE_OK)
		return STORE_FAILED;
	return settle_left(store, batch, fate);
}

enum store_result
store_missing_settle(struct store *store, struct missing_fate *fate)
{
	return in_batches(store,
	    "SELECT max(id) FROM (SELECT id FROM temp.missing WHERE id > ?1 "
	    "ORDER BY id LIMIT ?2)",
	    settle_missing, fate);
}
