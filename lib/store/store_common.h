/* SPDX-License-Identifier: ISC */
/*
 * The store: the database, and the only SQL of the toolkit.
 *
 * A struct store is one thread's connection; never share one between threads.
 * The database is opened at first use, and opened anew after a failure or when
 * the file was moved away, so a daemon outlives a missing database.
 *
 * Law: anything but DONE or ROW is failure, and failure means "later": a
 * caller answers 451 or lets mail pass, it never takes STORE_FAILED for "no".
 * store_error() then has one line that names the database and the fault.
 *
 * Domains in arguments are canonical (domain.h). Strings handed to a visitor
 * are borrowed for the call. A visitor may use the store itself.
 */
#ifndef STORE_COMMON_H
#define STORE_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/conf.h"

struct store;

enum store_result {
	STORE_OK,
	STORE_NONE,   /* no such row */
	STORE_EXISTS, /* the row is there already */
	STORE_FAILED, /* the database could not be used: "later" */
};

/* `busy_ms`: how long a call may wait for another process's lock. NULL only
 * when out of memory. `conf` is borrowed for the life of the store. */
struct store *store_new(const struct conf *conf, int busy_ms);
/* One that changes nothing, not even the journal mode. */
struct store *store_new_reader(const struct conf *conf, int busy_ms);
void store_free(struct store **store);
const char *store_error(const struct store *store);

/* Creates what is missing, applies upgrades, and gives the file its owner and
 * mode (conf->user, 0600) when run as root. Opening a newer schema fails with a
 * clear message. */
enum store_result store_init(struct store *store);
/* The file alone, not yet opened: what of it takes root. */
enum store_result store_prepare(struct store *store);

/* Could a daemon use it that this user runs: is it there, of the right schema,
 * and to be written to? Nothing changes. False: one line in `error`. */
bool store_is_usable(const struct conf *conf, char *error, size_t size);

/* One transaction; calls between are all done or none. */
enum store_result store_begin(struct store *store);
enum store_result store_commit(struct store *store);
void store_rollback(struct store *store);

typedef void name_visit(const char *name, void *arg);

#endif
