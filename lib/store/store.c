/* SPDX-License-Identifier: ISC */
/*
 * The store as a whole: its life, its transactions, and store_init. How SQLite
 * is used is in store_base.c, store_file.c and store_query.c; each of the other
 * store_*.c has one of the things that are kept in it.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "schema.h"
#include "store_internal.h"

enum { USABLE_MS = 5000 };

struct store *
store_new(const struct conf *conf, int busy_ms)
{
	struct store *store = calloc(1, sizeof(*store));

	if (store == NULL)
		return NULL;
	store->conf = conf;
	store->busy_ms = busy_ms;
	store->schema = schema;
	return store;
}

struct store *
store_new_reader(const struct conf *conf, int busy_ms)
{
	struct store *store = store_new(conf, busy_ms);

	if (store != NULL)
		store->reader = true;
	return store;
}

void
store_free(struct store **store)
{
	if (*store == NULL)
		return;
	base_close(*store);
	free(*store);
	*store = NULL;
}

const char *
store_error(const struct store *store)
{
	return store->error;
}

enum store_result
store_prepare(struct store *store)
{
	base_close(store);
	return file_prepare(store) ? STORE_OK : STORE_FAILED;
}

enum store_result
store_init(struct store *store)
{
	if (store_prepare(store) != STORE_OK || !base_open(store, true))
		return STORE_FAILED;
	return STORE_OK;
}

bool
store_is_usable(const struct conf *conf, char *error, size_t size)
{
	struct store *store = store_new_reader(conf, USABLE_MS);
	bool usable;

	if (store == NULL) {
		snprintf(error, size, "out of memory");
		return false;
	}
	usable = file_is_ours(store) && base_ready(store);
	if (!usable)
		snprintf(error, size, "%s", store_error(store));
	store_free(&store);
	return usable;
}

/* IMMEDIATE: the wait for other writers is here, not in the middle. */
enum store_result
store_begin(struct store *store)
{
	int rc;

	assert(!store->in_transaction);
	if (!base_ready(store))
		return STORE_FAILED;
	rc = sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (rc != SQLITE_OK) {
		base_fault(store, rc);
		return STORE_FAILED;
	}
	store->in_transaction = true;
	store->spoiled = false;
	return STORE_OK;
}

enum store_result
store_commit(struct store *store)
{
	int rc;

	assert(store->in_transaction);
	if (base_ready(store)) {
		rc = sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL);
		if (rc == SQLITE_OK) {
			store->in_transaction = false;
			return STORE_OK;
		}
		base_fault(store, rc);
	}
	store_rollback(store);
	return STORE_FAILED;
}

void
store_rollback(struct store *store)
{
	if (!store->in_transaction)
		return;
	sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	store->in_transaction = false;
}

enum store_result
store_whole(struct store *store, store_step *step, void *arg)
{
	enum store_result result;

	if (store->in_transaction)
		return step(store, arg);
	if (store_begin(store) != STORE_OK)
		return STORE_FAILED;
	result = step(store, arg);
	if (result != STORE_FAILED && store_commit(store) == STORE_OK)
		return result;
	store_rollback(store);
	return STORE_FAILED;
}
