/* SPDX-License-Identifier: ISC */
#include "lib/pause.h"
#include "store_batch.h"

enum store_result
add_changes(struct store *store, enum store_result result, int64_t *count)
{
	if (result == STORE_OK)
		*count += sqlite3_changes64(store->db);
	return result == STORE_FAILED ? STORE_FAILED : STORE_OK;
}

struct batch {
	const char *sql;
	row_change *change;
	void *arg;
	int64_t last; /* row that was changed */
	int rows;
};

static enum store_result
change_rows(struct store *store, void *arg)
{
	struct batch *batch = arg;
	enum store_result result;
	struct query query;

	batch->rows = 0;
	if (!query_open(
		&query, store, batch->sql, as_int(batch->last), as_int(BATCH)))
		return STORE_FAILED;
	while ((result = query_row(&query)) == STORE_OK) {
		batch->last = query_int_at(&query, 0);
		batch->rows++;
		result = batch->change(store, batch->last, batch->arg);
		if (result == STORE_FAILED)
			break;
	}
	return query_end(&query, result);
}

enum store_result
in_batches(struct store *store, const char *sql, row_change *change, void *arg)
{
	struct batch batch = { sql, change, arg, 0, 0 };
	int64_t began;

	do {
		began = pause_clock();
		if (store_whole(store, change_rows, &batch) == STORE_FAILED)
			return STORE_FAILED;
		pause_since(began);
	} while (batch.rows == BATCH);
	return STORE_OK;
}
