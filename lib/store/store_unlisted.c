/* SPDX-License-Identifier: ISC */
/*
 * Held tags whose messages are not in the queue any more. Whether a
 * tag is still held is looked at again when it is settled: a session may have
 * been first.
 */
#include "store_batch.h"
#include "store_reconcile.h"

enum store_result
store_unlisted_find(struct store *store, int64_t before, int64_t *missing)
{
	struct query query;

	if (listing_commit(store) != STORE_OK ||
	    !query_open(&query, store,
		"INSERT INTO temp.unlisted SELECT id FROM tag "
		"WHERE state = 'held' AND arrived < ?1 AND NOT EXISTS "
		"(SELECT 1 FROM temp.listed WHERE queue_id = tag.queue_id "
		"AND domain = tag.domain)"))
		return STORE_FAILED;
	query_int(&query, before);
	*missing = 0;
	return count_changes(&query, missing);
}

enum store_result
store_unlisted_check(struct store *store, int64_t *missing, int64_t *returned)
{
	struct query query;

	if (listing_commit(store) != STORE_OK ||
	    !query_open(&query, store,
		"DELETE FROM temp.unlisted WHERE id IN (SELECT tag.id "
		"FROM temp.unlisted JOIN tag USING (id) "
		"JOIN temp.listed USING (queue_id, domain))"))
		return STORE_FAILED;
	*returned = 0;
	if (count_changes(&query, returned) != STORE_OK)
		return STORE_FAILED;
	*missing -= *returned;
	return STORE_OK;
}

/* A message that is there for others, of a domain whose mail only a session
 * can take, and none did: it was rewritten after the milter had seen it. */
#define REWRITTEN                                                              \
	"session IS NULL AND EXISTS (SELECT 1 FROM temp.relay "                \
	"WHERE relay.domain = tag.domain AND collected) "                      \
	"AND EXISTS (SELECT 1 FROM temp.listed "                               \
	"WHERE listed.queue_id = tag.queue_id) AND " NO_SESSION

enum fate { FATE_NONE, FATE_DELIVERED, FATE_EXPIRED, FATE_LEFT };

/* STORE_NONE: it is not held any more. */
static enum store_result
find_fate(struct store *store, int64_t id, const struct unlisted_fate *fates,
    enum fate *fate)
{
	enum store_result result;
	struct query query;

	if (!query_open(&query, store,
		"SELECT CASE WHEN " REWRITTEN "THEN 0 WHEN delivered > 0 THEN "
		"1 WHEN arrived + iif(sender = '', ?4, ?3) <= ?2 THEN 2 "
		"ELSE 3 END FROM tag WHERE id = ?1 AND state = 'held'"))
		return STORE_FAILED;
	query_int(&query, id);
	query_int(&query, fates->now);
	query_int(&query, fates->lifetime);
	query_int(&query, fates->bounce_lifetime);
	result = query_row(&query);
	if (result == STORE_OK)
		*fate = (enum fate)query_int_at(&query, 0);
	query_close(&query);
	return result;
}

static enum store_result
remove_tag(struct store *store, int64_t id)
{
	struct change change;

	if (!change_open(&change, store, "DELETE FROM tag WHERE id = ?1", id))
		return STORE_FAILED;
	return change_run(&change, NULL);
}

static enum store_result
settle_missing(struct store *store, int64_t id, void *arg)
{
	struct unlisted_fate *fates = arg;
	enum fate fate;
	enum store_result result = find_fate(store, id, fates, &fate);

	if (result != STORE_OK)
		return result;
	switch (fate) {
	case FATE_NONE:
		fates->changed++;
		return remove_tag(store, id);
	case FATE_DELIVERED:
		fates->delivered++;
		return tag_end(store, id, TAG_DELIVERED, fates->now);
	case FATE_EXPIRED:
		fates->expired++;
		return tag_end(store, id, TAG_EXPIRED, fates->now);
	case FATE_LEFT:
		fates->left++;
		return tag_end(store, id, TAG_LEFT, fates->now);
	}
	return STORE_FAILED;
}

enum store_result
store_unlisted_settle(struct store *store, struct unlisted_fate *fates)
{
	return in_batches(store,
	    "SELECT id FROM temp.unlisted WHERE id > ?1 ORDER BY id LIMIT ?2",
	    settle_missing, fates);
}
