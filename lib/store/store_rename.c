/* SPDX-License-Identifier: ISC */
/*
 * One message under a second queue id: a content filter hands it in
 * again, or "postsuper -r" does. Its tag moves along, so that it counts once
 * and is held until somebody takes it: that Postfix gave it to the filter was
 * no delivery.
 *
 * What it was called before is told by its Received: fields, which the milter
 * reads. Where the milter is off for what comes back (no_milters), or is not
 * asked, as for what is requeued, reconcile finds a message without a tag, and
 * a tag without its message, of the same sender, domain and recipients.
 *
 * Anybody may write Received: fields. Whoever knows the id of a message that is
 * held can so have its tag taken for his own message to the same domain. That
 * lasts until the mail of either is collected or the queue is compared, when
 * the other one is found without a tag and gets it back. A tag that a session
 * has settled stays as it is.
 */
#include <string.h>

#include "lib/queue_id.h"
#include "store_batch.h"
#include "store_reconcile.h"

/* What the log or a comparison took for gone is there under another id. */
#define MAY_BE_THERE                                                           \
	"(state IN ('held', 'left') "                                          \
	"OR (state = 'delivered' AND session IS NULL)) "

/* ---- told by the milter -------------------------------------------------- */

static enum store_result
find(struct store *store, const char *queue_id, const char *domain, int64_t *id)
{
	return store_number(store, id,
	    "SELECT id FROM tag WHERE queue_id = ?1 AND domain = ?2 "
	    "AND " MAY_BE_THERE,
	    as_text(queue_id), as_text(domain));
}

/* STORE_NONE: there is a tag of the new id already. */
static enum store_result
move(struct store *store, int64_t id, const struct tag *tag)
{
	enum store_result result = change_tag(store, id, NULL,
	    "UPDATE tag SET queue_id = ?2, sender = ?3, rcpts_open = ?4, "
	    "size = iif(?5 > 0, ?5, size), rcpts_deferred = 0, "
	    "delivered = iif(state = 'held', delivered, 0), "
	    "last_answer = iif(state = 'held', last_answer, NULL), " HOLD
	    "WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM tag "
	    "WHERE queue_id = ?2 AND domain = ?6)",
	    as_text(tag->queue_id), as_text(tag->sender),
	    as_int(tag->recipient_count), as_int(tag->size),
	    as_text(tag->domain));

	if (result == STORE_OK)
		result = recipients_delete(store, id);
	return result == STORE_OK
	    ? recipients_insert(store, id, tag->recipients)
	    : result;
}

/* Held first, for then it never came (store_count.c). */
static enum store_result
take_away(struct store *store, int64_t id)
{
	if (change_tag(store, id, NULL, "UPDATE tag SET " HOLD "WHERE id = ?1",
		no_value) != STORE_OK ||
	    change_tag(store, id, NULL, "DELETE FROM tag WHERE id = ?1",
		no_value) != STORE_OK)
		return STORE_FAILED;
	return STORE_NONE;
}

static enum store_result
rename_from(struct store *store, const char *queue_id, const struct tag *tag)
{
	enum store_result result;
	int64_t id;

	if (strcmp(queue_id, tag->queue_id) == 0)
		return STORE_NONE;
	result = find(store, queue_id, tag->domain, &id);
	if (result != STORE_OK)
		return result;
	result = move(store, id, tag);
	return result == STORE_NONE ? take_away(store, id) : result;
}

enum store_result
store_tag_rename(struct store *store, const struct tag *tag)
{
	const char *next = tag->earlier == NULL ? "" : tag->earlier;
	enum store_result result = STORE_NONE;
	char queue_id[QUEUE_ID_MAX + 1];
	size_t len;

	for (; result == STORE_NONE && *next != '\0'; next += len + 1) {
		len = strcspn(next, " ");
		if (next[len] == '\0' || len >= sizeof(queue_id))
			return STORE_NONE;
		memcpy(queue_id, next, len);
		queue_id[len] = '\0';
		result = rename_from(store, queue_id, tag);
	}
	return result;
}

/* ---- found by reconcile -------------------------------------------------- */

static enum store_result
find_newcomers(struct store *store)
{
	return store_run(store,
	    "INSERT INTO temp.newcomer SELECT n FROM temp.differing "
	    "JOIN temp.listed USING (n) LEFT JOIN tag "
	    "ON tag.queue_id = listed.queue_id AND tag.domain = listed.domain "
	    "WHERE tag.id IS NULL",
	    no_value);
}

#define NOT_LISTED                                                             \
	"NOT EXISTS (SELECT 1 FROM temp.listed WHERE queue_id = tag.queue_id " \
	"AND domain = tag.domain) "

/* The youngest are among them, though they cannot count as missing yet: a
 * filter takes no minute. What was settled, was so when the newcomer came. */
static enum store_result
find_away(struct store *store, int64_t began)
{
	enum store_result result;

	result = store_run(store,
	    "INSERT INTO temp.away SELECT id, domain, sender, "
	    "arrived, NULL FROM tag WHERE state = 'held' AND (arrived >= ?1 "
	    "OR id IN (SELECT id FROM temp.unlisted)) AND " NOT_LISTED,
	    as_int(began - RECONCILE_YOUNG));
	if (result != STORE_OK)
		return result;
	return store_run(store,
	    "INSERT INTO temp.away SELECT id, domain, sender, "
	    "arrived, settled FROM tag "
	    "WHERE state != 'held' AND settled >= (SELECT min(arrived) - ?1 "
	    "FROM temp.newcomer JOIN temp.listed USING (n)) "
	    "AND " MAY_BE_THERE "AND " NOT_LISTED,
	    as_int(RECONCILE_YOUNG));
}

/* Of those of an envelope the first that came is the first that comes again:
 * what has its partner is passed over. Of the settled ones the log has taken
 * off the recipients. */
static enum store_result
pair(struct store *store)
{
	return store_run(store,
	    "INSERT OR IGNORE INTO temp.renamed SELECT listed.n, tag.id "
	    "FROM temp.newcomer JOIN temp.listed USING (n) "
	    "JOIN temp.away AS tag USING (domain, sender) "
	    "WHERE iif(tag.settled IS NULL, "
	    "NOT EXISTS (" NOT_KNOWN "), NOT EXISTS ("
	    "SELECT 1 FROM recipient AS known WHERE known.tag = tag.id "
	    "AND NOT EXISTS (SELECT 1 FROM temp.listed_recipient "
	    "WHERE n = listed.n AND address = known.address)) AND "
	    "abs(tag.settled - listed.arrived) <= 60) "
	    "ORDER BY listed.arrived, listed.n, tag.settled IS NOT NULL, "
	    "tag.arrived, tag.id",
	    no_value);
}

/* The milter may have been first, and have written the new tag. */
static enum store_result
rename_listed(struct store *store, int64_t id, void *changed)
{
	enum store_result result = change_tag(store, id, NULL,
	    "UPDATE tag SET queue_id = listed.queue_id, rcpts_deferred = 0, "
	    "rcpts_open = iif(state = 'held', tag.rcpts_open, "
	    "listed.rcpts_open), "
	    "delivered = iif(state = 'held', delivered, 0), "
	    "last_answer = iif(state = 'held', last_answer, NULL), " HOLD
	    "FROM temp.renamed JOIN temp.listed USING (n) "
	    "WHERE tag.id = ?1 AND renamed.id = ?1 "
	    "AND " MAY_BE_THERE "AND NOT EXISTS (SELECT 1 FROM tag AS "
	    "other WHERE other.queue_id = listed.queue_id "
	    "AND other.domain = listed.domain)",
	    no_value);

	*(int64_t *)changed += result == STORE_OK;
	return result;
}

enum store_result
store_listing_rename(struct store *store, int64_t began, int64_t *changed)
{
	if (find_newcomers(store) != STORE_OK ||
	    find_away(store, began) != STORE_OK || pair(store) != STORE_OK ||
	    store_run(store,
		"DELETE FROM temp.unlisted WHERE id IN "
		"(SELECT id FROM temp.renamed)",
		no_value) != STORE_OK)
		return STORE_FAILED;
	return in_batches(store,
	    "SELECT id FROM temp.renamed WHERE id > ?1 ORDER BY id LIMIT ?2",
	    rename_listed, changed);
}
