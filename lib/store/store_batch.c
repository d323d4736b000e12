/* SPDX-License-Identifier: ISC */
#include "lib/pause.h"
#include "store_batch.h"

enum store_result
count_changes(struct query *query, int64_t *count)
{
	enum store_result result = query_run(query);

	if (result == STORE_OK)
		*count += sqlite3_changes64(query->store->db);
	return result;
}

/* STORE_NONE: there are no more. */
static enum store_result
next_batch(struct store *store, const char *sql, struct batch *batch)
{
	enum store_result result;
	struct query query;

	if (!query_open(&query, store, sql))
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

static enum store_result
in_transaction(struct store *store, const struct batch *batch,
    batch_change *change, void *arg)
{
	if (store_begin(store) != STORE_OK)
		return STORE_FAILED;
	if (change(store, batch, arg) == STORE_OK)
		return store_commit(store);
	store_rollback(store);
	return STORE_FAILED;
}

enum store_result
in_batches(
    struct store *store, const char *sql, batch_change *change, void *arg)
{
	struct batch batch = { 0 };
	enum store_result result;
	int64_t began;

	while ((result = next_batch(store, sql, &batch)) == STORE_OK) {
		began = pause_clock();
		if (in_transaction(store, &batch, change, arg) != STORE_OK)
			return STORE_FAILED;
		pause_since(began);
	}
	return result == STORE_NONE ? STORE_OK : STORE_FAILED;
}
