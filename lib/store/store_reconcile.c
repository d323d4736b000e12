/* SPDX-License-Identifier: ISC */
/*
 * What the last listing says about the tags, and the end of a run.
 * The tags are looked at again when they are changed, for a session may have
 * settled some since they were listed.
 */
#include "lib/pause.h"
#include "store_batch.h"
#include "store_reconcile.h"

/* Postfix's reason counts where no session of ours has one. */
#define NEW_ANSWER                                                             \
	"iif(relay.collected OR tag.session IS NOT NULL, tag.last_answer, "    \
	"coalesce(listed.answer, tag.last_answer))"

/* Fewer open recipients than there were have been answered by somebody. More
 * of the same are those that a session has settled since they were listed. */
#define ARE_FEWER "(tag.rcpts_open > listed.rcpts_open AND " NO_SESSION ")"

#define ARE_OTHERS "EXISTS (" NOT_KNOWN ") "

#define CORRECTION                                                             \
	"size = listed.size, "                                                 \
	"rcpts_open = iif(" ARE_OTHERS " OR " ARE_FEWER                        \
	", listed.rcpts_open, tag.rcpts_open), "                               \
	"on_hold = listed.on_hold, "                                           \
	"last_answer = " NEW_ANSWER " "

#define IS_WRONG                                                               \
	"tag.state = 'held' AND (tag.size != listed.size "                     \
	"OR tag.on_hold != listed.on_hold "                                    \
	"OR " ARE_FEWER "OR " ARE_OTHERS                                       \
	"OR tag.last_answer IS NOT " NEW_ANSWER ") "

/* ?1 is when the listing began. "left" and "expired" are what an earlier run
 * guessed; what a session has settled may be in the queue for some time yet. */
#define IS_BACK                                                                \
	"tag.state != 'held' "                                                 \
	"AND tag.settled < ?1 - iif(tag.state IN ('left', 'expired'), 0, 60) "

#define LISTED_WITH_TAG                                                        \
	"temp.listed "                                                         \
	"LEFT JOIN temp.relay ON relay.domain = listed.domain "                \
	"LEFT JOIN tag ON tag.queue_id = listed.queue_id "                     \
	"AND tag.domain = listed.domain "

enum store_result
store_listing_compare(struct store *store, int64_t began)
{
	return store_run(store,
	    "INSERT INTO temp.differing SELECT n FROM " LISTED_WITH_TAG
	    "WHERE iif(tag.id IS NULL, relay.domain IS NOT NULL, "
	    "(" IS_WRONG ") OR (" IS_BACK "))",
	    as_int(began));
}

/* What is listed, as it is now. */
struct differing {
	int64_t n;
	bool ours;  /* of a relay domain */
	int64_t id; /* of its tag; 0: none */
	bool wrong;
	bool back;
	bool others; /* recipients than the tag has */
};

struct application {
	int64_t began;
	int64_t *added;
	int64_t *changed;
};

static enum store_result
look_at(struct store *store, int64_t began, struct differing *differing)
{
	enum store_result result;
	struct query query;

	if (!query_open(&query, store,
		"SELECT relay.domain IS NOT NULL, coalesce(tag.id, "
		"0), " IS_WRONG ", " IS_BACK ", " ARE_OTHERS
		"FROM " LISTED_WITH_TAG "WHERE n = ?2",
		as_int(began), as_int(differing->n)))
		return STORE_FAILED;
	result = query_row(&query);
	if (result == STORE_OK) {
		differing->ours = query_int_at(&query, 0) != 0;
		differing->id = query_int_at(&query, 1);
		differing->wrong = query_int_at(&query, 2) != 0;
		differing->back = query_int_at(&query, 3) != 0;
		differing->others = query_int_at(&query, 4) != 0;
	}
	query_close(&query);
	return result;
}

static enum store_result
change_listed(struct store *store, const struct differing *differing,
    const char *sql, int64_t *changed)
{
	enum store_result result =
	    change_tag(store, differing->id, NULL, sql, as_int(differing->n));

	*changed += result == STORE_OK;
	return result;
}

static enum store_result
correct(
    struct store *store, const struct differing *differing, int64_t *changed)
{
	return change_listed(store, differing,
	    "UPDATE tag SET " CORRECTION "FROM temp.listed "
	    "LEFT JOIN temp.relay ON relay.domain = listed.domain "
	    "WHERE tag.id = ?1 AND listed.n = ?2",
	    changed);
}

static enum store_result
hold_again(
    struct store *store, const struct differing *differing, int64_t *changed)
{
	return change_listed(store, differing,
	    "UPDATE tag SET " HOLD ", "
	    "size = listed.size, rcpts_open = listed.rcpts_open, "
	    "rcpts_deferred = 0, "
	    "on_hold = listed.on_hold, "
	    "delivered = max(0, tag.delivered - listed.rcpts_open) "
	    "FROM temp.listed WHERE tag.id = ?1 AND listed.n = ?2",
	    changed);
}

/* The tag gets those that are listed. */
static enum store_result
insert_recipients(struct store *store, int64_t tag, int64_t n)
{
	return store_run(store,
	    "INSERT INTO recipient (tag, address) SELECT ?1, address "
	    "FROM temp.listed_recipient WHERE n = ?2",
	    as_int(tag), as_int(n));
}

static enum store_result
add_untagged(struct store *store, int64_t n, int64_t *added)
{
	enum store_result result;
	int64_t id;

	result = store_run(store,
	    "INSERT INTO tag (queue_id, domain, sender, rcpts_open, size, "
	    "client, arrived, on_hold, last_answer, account_received) "
	    "SELECT queue_id, listed.domain, sender, rcpts_open, size, '', "
	    "arrived, on_hold, iif(relay.collected, NULL, answer), " OWNER
	    "listed.domain" OWNER_END "FROM temp.listed "
	    "JOIN temp.relay ON relay.domain = listed.domain "
	    "WHERE n = ?1",
	    as_int(n));
	id = sqlite3_last_insert_rowid(store->db);
	if (result == STORE_OK)
		result = insert_recipients(store, id, n);
	++*added;
	return result == STORE_OK ? count_new(store, id, NULL) : STORE_FAILED;
}

static enum store_result
mend(struct store *store, const struct differing *differing, int64_t *changed)
{
	enum store_result result = differing->wrong
	    ? correct(store, differing, changed)
	    : hold_again(store, differing, changed);

	if (result != STORE_OK || !differing->others)
		return result;
	result = recipients_delete(store, differing->id);
	return result == STORE_OK
	    ? insert_recipients(store, differing->id, differing->n)
	    : result;
}

static enum store_result
apply(struct store *store, int64_t n, void *arg)
{
	const struct application *application = arg;
	struct differing differing = { .n = n };

	if (look_at(store, application->began, &differing) != STORE_OK)
		return STORE_FAILED;
	if (differing.id == 0)
		return differing.ours
		    ? add_untagged(store, n, application->added)
		    : STORE_OK;
	return differing.wrong || differing.back
	    ? mend(store, &differing, application->changed)
	    : STORE_OK;
}

enum store_result
store_listing_apply(
    struct store *store, int64_t began, int64_t *added, int64_t *changed)
{
	struct application application = { began, added, changed };

	return in_batches(store,
	    "SELECT n FROM temp.differing WHERE n > ?1 ORDER BY n LIMIT ?2",
	    apply, &application);
}

/* ---- the end of a run -------------------------------------------------- */

/* Runs a statement whose ?1 is how many rows it may change, until there are
 * fewer. */
static enum store_result
exhaust(struct store *store, const char *sql, int64_t value)
{
	int64_t began, changed;
	enum store_result result;

	do {
		began = pause_clock();
		changed = 0;
		result = add_changes(store,
		    store_run(store, sql, as_int(BATCH), as_int(value)),
		    &changed);
		if (result != STORE_OK)
			return STORE_FAILED;
		pause_since(began);
	} while (changed == BATCH);
	return STORE_OK;
}

enum store_result
store_history_end(struct store *store, int64_t before)
{
	static const char sql[] =
	    "DELETE FROM tag WHERE id IN (SELECT id FROM tag "
	    "WHERE state != 'held' AND settled < ?2 LIMIT ?1)";

	return exhaust(store, sql, before);
}

enum store_result
store_peaks_note(struct store *store)
{
	static const char sql[] =
	    "INSERT INTO usage (day, domain, account, peak) "
	    "SELECT date('now'), domain, " OWNER "domain_count.domain" OWNER_END
	    ", held FROM domain_count "
	    "WHERE held > ?2 AND NOT EXISTS (SELECT 1 FROM usage "
	    "WHERE day = date('now') AND usage.domain = domain_count.domain "
	    "AND peak >= held) LIMIT ?1 "
	    "ON CONFLICT (day, domain, account) DO UPDATE SET "
	    "peak = excluded.peak";

	return exhaust(store, sql, 0);
}

enum store_result
store_reconciled(struct store *store, int64_t *began)
{
	return store_number(
	    store, began, "SELECT began FROM reconciled", no_value);
}

enum store_result
store_reconciled_set(struct store *store, int64_t began)
{
	return store_run(
	    store, "UPDATE reconciled SET began = ?1", as_int(began));
}
