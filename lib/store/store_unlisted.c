/* SPDX-License-Identifier: ISC */
/*
 * Held tags whose messages are not in the queue any more. Whether a
 * tag is still held is looked at again when it is settled: a session may have
 * been first.
 */
#include <assert.h>

#include "store_batch.h"
#include "store_reconcile.h"

enum store_result
store_unlisted_find(struct store *store, int64_t before, int64_t *missing)
{
	enum store_result result = listing_commit(store);

	*missing = 0;
	if (result == STORE_OK)
		result = store_run(store,
		    "INSERT INTO temp.unlisted SELECT id FROM tag "
		    "WHERE state = 'held' AND arrived < ?1 AND NOT EXISTS "
		    "(SELECT 1 FROM temp.listed WHERE queue_id = tag.queue_id "
		    "AND domain = tag.domain)",
		    as_int(before));
	return add_changes(store, result, missing);
}

enum store_result
store_unlisted_check(struct store *store, int64_t *missing, int64_t *returned)
{
	enum store_result result = listing_commit(store);

	*returned = 0;
	if (result == STORE_OK)
		result = store_run(store,
		    "DELETE FROM temp.unlisted WHERE id IN (SELECT tag.id "
		    "FROM temp.unlisted JOIN tag USING (id) "
		    "JOIN temp.listed USING (queue_id, domain))",
		    no_value);
	result = add_changes(store, result, returned);
	*missing -= *returned;
	return result;
}

/* A message that is there for others, of a domain whose mail only a session
 * can take, and none did: it was rewritten after the milter had seen it. */
#define REWRITTEN                                                              \
	"session IS NULL AND EXISTS (SELECT 1 FROM temp.relay "                \
	"WHERE relay.domain = tag.domain AND collected) "                      \
	"AND EXISTS (SELECT 1 FROM temp.listed "                               \
	"WHERE listed.queue_id = tag.queue_id) AND " NO_SESSION

/* An enum tag_state, or held: it is none of the domain's. STORE_NONE: it is not
 * held any more. */
static enum store_result
find_fate(struct store *store, int64_t id, const struct unlisted_fate *fates,
    int64_t *fate)
{
	return store_number(store, fate,
	    "SELECT CASE WHEN " REWRITTEN "THEN 0 WHEN delivered > 0 THEN 1 "
	    "WHEN arrived + iif(sender = '', ?4, ?3) <= ?2 THEN 3 ELSE 4 END "
	    "FROM tag WHERE id = ?1 AND state = 'held'",
	    as_int(id), as_int(fates->now), as_int(fates->lifetime),
	    as_int(fates->bounce_lifetime));
}

static_assert(
    TAG_HELD == 0 && TAG_DELIVERED == 1 && TAG_EXPIRED == 3 && TAG_LEFT == 4,
    "the numbers of the statement above");

static enum store_result
settle_missing(struct store *store, int64_t id, void *arg)
{
	struct unlisted_fate *fates = arg;
	int64_t fate;
	enum store_result result = find_fate(store, id, fates, &fate);

	if (result != STORE_OK)
		return result;
	fates->changed += fate == TAG_HELD;
	fates->delivered += fate == TAG_DELIVERED;
	fates->expired += fate == TAG_EXPIRED;
	fates->left += fate == TAG_LEFT;
	if (fate == TAG_HELD)
		return change_tag(
		    store, id, NULL, "DELETE FROM tag WHERE id = ?1", no_value);
	return tag_end(store, id, (enum tag_state)fate, fates->now);
}

enum store_result
store_unlisted_settle(struct store *store, struct unlisted_fate *fates)
{
	return in_batches(store,
	    "SELECT id FROM temp.unlisted WHERE id > ?1 ORDER BY id LIMIT ?2",
	    settle_missing, fates);
}
