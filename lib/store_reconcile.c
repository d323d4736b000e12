/* SPDX-License-Identifier: ISC */
/*
 * The listing of the queue, and what it says about the tags (state.db).
 *
 * The temporary tables are this connection's alone: filling and comparing them
 * takes no lock that the milter or odmrd would wait for. Changes are made in
 * batches, each in a transaction of its own, and each looks at the tags again
 * as they are by then, for a session may have settled some meanwhile.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "store_internal.h"
#include "store_reconcile.h"

enum { BATCH = 500 };

static const char schema[] =
    "CREATE TEMP TABLE IF NOT EXISTS listed ("
    "n INTEGER PRIMARY KEY, queue_id TEXT, domain TEXT, sender TEXT, "
    "recipients TEXT, open INTEGER, size INTEGER, arrived INTEGER, "
    "answer TEXT, UNIQUE (queue_id, domain));"
    "CREATE TEMP TABLE IF NOT EXISTS relay ("
    "domain TEXT PRIMARY KEY, collected INTEGER) WITHOUT ROWID;"
    "CREATE TEMP TABLE IF NOT EXISTS missing (id INTEGER PRIMARY KEY);"
    "CREATE TEMP TABLE IF NOT EXISTS differing (n INTEGER PRIMARY KEY);";

static const char empty[] =
    "DELETE FROM temp.listed; DELETE FROM temp.relay;"
    "DELETE FROM temp.missing; DELETE FROM temp.differing;";

/* The next line of a list, and its length; NULL at the end. */
static const char *
next_line(const char **list, size_t *len)
{
	const char *line = *list;

	if (*line == '\0')
		return NULL;
	*len = strcspn(line, "\n");
	*list = line + *len + (line[*len] == '\n');
	return line;
}

static int
compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int order = strncasecmp(a, b, a_len < b_len ? a_len : b_len);

	return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

/* Is every line of `some` in `all`? Both are sorted. */
static bool
within(const char *some, const char *all)
{
	const char *want, *have;
	size_t want_len, have_len;
	int order;

	while ((want = next_line(&some, &want_len)) != NULL) {
		do {
			have = next_line(&all, &have_len);
			if (have == NULL)
				return false;
			order = compare(have, have_len, want, want_len);
		} while (order < 0);
		if (order > 0)
			return false;
	}
	return true;
}

static void
sql_within(sqlite3_context *ctx, int count, sqlite3_value **values)
{
	const char *some = (const char *)sqlite3_value_text(values[0]);
	const char *all = (const char *)sqlite3_value_text(values[1]);

	(void)count;
	if (some == NULL || all == NULL)
		sqlite3_result_error_nomem(ctx);
	else
		sqlite3_result_int(ctx, within(some, all));
}

struct copy {
	struct store *store;
	bool failed;
};

static void
add_relay(const struct domain *domain, void *arg)
{
	struct copy *copy = arg;
	struct query query;

	if (copy->failed ||
	    !query_open(&query, copy->store, STATE,
		"INSERT INTO temp.relay (domain, collected) VALUES (?1, ?2)")) {
		copy->failed = true;
		return;
	}
	query_text(&query, domain->name);
	query_int(&query, domain->mode == MODE_ODMR);
	copy->failed = query_run(&query) != STORE_OK;
}

enum store_result
store_listing_begin(struct store *store)
{
	struct base *base = &store->bases[STATE];
	struct copy copy = { .store = store };
	int rc;

	if (!base_ready(store, STATE))
		return STORE_FAILED;
	rc = sqlite3_create_function(base->db, "within", 2,
	    SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, sql_within, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(base->db, schema, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(base->db, empty, NULL, NULL, NULL);
	if (rc != SQLITE_OK) {
		base_fault(store, base, rc);
		return STORE_FAILED;
	}
	if (store_domain_each(store, add_relay, &copy) != STORE_OK)
		return STORE_FAILED;
	return copy.failed ? STORE_FAILED : STORE_OK;
}

void
store_listing_end(struct store *store)
{
	struct base *base = &store->bases[STATE];

	if (base->db != NULL)
		sqlite3_exec(base->db, empty, NULL, NULL, NULL);
}

enum store_result
store_listing_restart(struct store *store)
{
	struct query query;

	if (!query_open(&query, store, STATE, "DELETE FROM temp.listed"))
		return STORE_FAILED;
	return query_run(&query);
}

enum store_result
store_listing_add(struct store *store, const struct tag *tag)
{
	struct query query;

	if (!query_open(&query, store, STATE,
		"INSERT OR REPLACE INTO temp.listed (queue_id, domain, sender, "
		"recipients, open, size, arrived, answer) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"))
		return STORE_FAILED;
	query_text(&query, tag->queue_id);
	query_text(&query, tag->domain);
	query_text(&query, tag->sender);
	query_text(&query, tag->recipients);
	query_int(&query, tag->recipient_count);
	query_int(&query, tag->size);
	query_int(&query, tag->arrived);
	query_text(&query, tag->last_answer);
	return query_run(&query);
}

/* Runs the statement, and adds to *count how many rows it changed. */
static enum store_result
count_changes(struct query *query, int64_t *count)
{
	enum store_result result = query_run(query);

	if (result == STORE_OK)
		*count += sqlite3_changes64(query->base->db);
	return result;
}

/* ---- what is missing --------------------------------------------------- */

enum store_result
store_missing_find(struct store *store, int64_t before, int64_t *missing)
{
	struct query query;

	if (!query_open(&query, store, STATE,
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

	if (!query_open(&query, store, STATE,
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

/* ---- in batches -------------------------------------------------------- */

/* The rows of one transaction: those behind `from`, up to `to`. */
struct batch {
	int64_t from;
	int64_t to;
};

/* STORE_NONE: there are no more. `sql` gets where the last batch ended. */
static enum store_result
next_batch(struct store *store, const char *sql, struct batch *batch)
{
	enum store_result result;
	struct query query;

	if (!query_open(&query, store, STATE, sql))
		return STORE_FAILED;
	query_int(&query, batch->to);
	query_int(&query, BATCH);
	result = query_row(&query);
	if (result == STORE_OK) {
		batch->from = batch->to;
		batch->to = query_int_at(&query, 0);
		if (batch->to == 0)
			result = STORE_NONE;
	}
	query_close(&query);
	return result;
}

typedef enum store_result batch_change(
    struct store *, const struct batch *, void *arg);

static enum store_result
in_batches(
    struct store *store, const char *sql, batch_change *change, void *arg)
{
	struct batch batch = { 0 };
	enum store_result result;

	while ((result = next_batch(store, sql, &batch)) == STORE_OK) {
		if (store_begin(store) != STORE_OK)
			return STORE_FAILED;
		if (change(store, &batch, arg) != STORE_OK) {
			store_rollback(store);
			return STORE_FAILED;
		}
		if (store_commit(store) != STORE_OK)
			return STORE_FAILED;
	}
	return result == STORE_NONE ? STORE_OK : STORE_FAILED;
}

/* Binds ?1 and ?2. */
static bool
open_batch(struct query *query, struct store *store, const struct batch *batch,
    const char *sql)
{
	if (!query_open(query, store, STATE, sql))
		return false;
	query_int(query, batch->from);
	query_int(query, batch->to);
	return true;
}

/* ---- what is listed ---------------------------------------------------- */

/* Postfix's reason counts where no session of ours has one. */
#define NEW_ANSWER                                                             \
	"iif(relay.collected OR tag.session IS NOT NULL, tag.last_answer, "    \
	"coalesce(listed.answer, tag.last_answer))"

/* Fewer open recipients than there were have been answered by somebody. More
 * of the same are those that a session has settled since they were listed. */
#define CORRECTION                                                             \
	"size = listed.size, "                                                 \
	"open = iif(within(listed.recipients, tag.recipients), "               \
	"min(tag.open, listed.open), listed.open), "                           \
	"recipients = iif(within(listed.recipients, tag.recipients), "         \
	"tag.recipients, listed.recipients), last_answer = " NEW_ANSWER " "

#define IS_WRONG                                                               \
	"tag.state = 'held' AND (tag.size != listed.size "                     \
	"OR tag.open > listed.open "                                           \
	"OR NOT within(listed.recipients, tag.recipients) "                    \
	"OR tag.last_answer IS NOT " NEW_ANSWER ") "

/* ?1 is when the listing began. "left" is what an earlier run guessed; what
 * a session has settled may be in the queue for some time yet. */
#define IS_BACK                                                                \
	"tag.state != 'held' "                                                 \
	"AND tag.settled < ?1 - iif(tag.state = 'left', 0, 60) "

#define LISTED_IN_BATCH                                                        \
	"FROM temp.differing JOIN temp.listed USING (n) "                      \
	"LEFT JOIN temp.relay ON relay.domain = listed.domain "                \
	"WHERE n > ?2 AND n <= ?3 "                                            \
	"AND tag.queue_id = listed.queue_id AND tag.domain = listed.domain "

struct application {
	int64_t began;
	int64_t *added;
	int64_t *changed;
};

/* Binds ?1 to ?3. */
static bool
open_listed(struct query *query, struct store *store, const struct batch *batch,
    const struct application *application, const char *sql)
{
	if (!query_open(query, store, STATE, sql))
		return false;
	query_int(query, application->began);
	query_int(query, batch->from);
	query_int(query, batch->to);
	return true;
}

static enum store_result
find_differing(struct store *store, int64_t began)
{
	struct query query;

	if (!query_open(&query, store, STATE,
		"INSERT INTO temp.differing SELECT n FROM temp.listed "
		"LEFT JOIN temp.relay ON relay.domain = listed.domain "
		"LEFT JOIN tag ON tag.queue_id = listed.queue_id "
		"AND tag.domain = listed.domain "
		"WHERE iif(tag.id IS NULL, relay.domain IS NOT NULL, "
		"(" IS_WRONG ") OR (" IS_BACK "))"))
		return STORE_FAILED;
	query_int(&query, began);
	return query_run(&query);
}

static enum store_result
correct(struct store *store, const struct batch *batch,
    const struct application *application)
{
	struct query query;

	if (!open_listed(&query, store, batch, application,
		"UPDATE tag SET " CORRECTION LISTED_IN_BATCH "AND " IS_WRONG))
		return STORE_FAILED;
	return count_changes(&query, application->changed);
}

static enum store_result
hold_again(struct store *store, const struct batch *batch,
    const struct application *application)
{
	struct query query;

	if (!open_listed(&query, store, batch, application,
		"UPDATE tag SET state = 'held', settled = NULL, "
		"size = listed.size, open = listed.open, tried = 0, "
		"delivered = max(0, tag.delivered - listed.open), "
		"recipients = iif(within(listed.recipients, tag.recipients), "
		"tag.recipients, listed.recipients) " LISTED_IN_BATCH
		"AND " IS_BACK))
		return STORE_FAILED;
	return count_changes(&query, application->changed);
}

static enum store_result
add_untagged(struct store *store, const struct batch *batch,
    const struct application *application)
{
	struct query query;

	if (!open_listed(&query, store, batch, application,
		"INSERT INTO tag (queue_id, domain, sender, recipients, open, "
		"size, client, arrived, last_answer) "
		"SELECT queue_id, listed.domain, sender, recipients, open, "
		"size, '', arrived, iif(relay.collected, NULL, answer) "
		"FROM temp.differing JOIN temp.listed USING (n) "
		"JOIN temp.relay ON relay.domain = listed.domain "
		"WHERE n > ?2 AND n <= ?3 "
		"ON CONFLICT (queue_id, domain) DO NOTHING"))
		return STORE_FAILED;
	return count_changes(&query, application->added);
}

static enum store_result
apply(struct store *store, const struct batch *batch, void *arg)
{
	const struct application *application = arg;

	if (correct(store, batch, application) != STORE_OK ||
	    hold_again(store, batch, application) != STORE_OK)
		return STORE_FAILED;
	return add_untagged(store, batch, application);
}

enum store_result
store_listing_apply(
    struct store *store, int64_t began, int64_t *added, int64_t *changed)
{
	struct application application = { began, added, changed };

	if (find_differing(store, began) != STORE_OK)
		return STORE_FAILED;
	return in_batches(store,
	    "SELECT max(n) FROM (SELECT n FROM temp.differing WHERE n > ?1 "
	    "ORDER BY n LIMIT ?2)",
	    apply, &application);
}

/* ---- what is gone ------------------------------------------------------ */

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
		"AND queue_id IN (SELECT queue_id FROM temp.listed)"))
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

/* ---- the end of a run -------------------------------------------------- */

enum store_result
store_history_end(struct store *store, int64_t before)
{
	int64_t deleted;
	struct query query;

	do {
		if (!query_open(&query, store, STATE,
			"DELETE FROM tag WHERE id IN (SELECT id FROM tag "
			"WHERE state != 'held' AND settled < ?1 LIMIT ?2)"))
			return STORE_FAILED;
		query_int(&query, before);
		query_int(&query, BATCH);
		deleted = 0;
		if (count_changes(&query, &deleted) != STORE_OK)
			return STORE_FAILED;
	} while (deleted == BATCH);
	return STORE_OK;
}

enum store_result
store_reconciled(struct store *store, int64_t *began)
{
	enum store_result result;
	struct query query;

	if (!query_open(&query, store, STATE, "SELECT began FROM reconciled"))
		return STORE_FAILED;
	result = query_row(&query);
	if (result == STORE_OK)
		*began = query_int_at(&query, 0);
	query_close(&query);
	return result;
}

enum store_result
store_reconciled_set(struct store *store, int64_t began)
{
	struct query query;

	if (!query_open(
		&query, store, STATE, "UPDATE reconciled SET began = ?1"))
		return STORE_FAILED;
	query_int(&query, began);
	return query_run(&query);
}
