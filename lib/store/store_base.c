/* SPDX-License-Identifier: ISC */
/*
 * The database: connecting, schema version, upgrades, faults.
 *
 * A connection is closed, and opened anew at the next use, after every fault
 * that a new connection may cure, and when the file at its path is no longer
 * the one that is open: SQLite would go on in a deleted file and lose what is
 * written there. Full disks and other processes' locks leave it open.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store_internal.h"

static void
spoil(struct store *store)
{
	if (store->in_transaction)
		store->spoiled = true;
}

void
base_complain(struct store *store, const char *fmt, ...)
{
	va_list ap;
	int n;

	n = snprintf(
	    store->error, STORE_ERROR_SIZE, "%.255s: ", store->conf->database);
	va_start(ap, fmt);
	vsnprintf(store->error + n, STORE_ERROR_SIZE - (size_t)n, fmt, ap);
	va_end(ap);
	spoil(store);
}

static bool
curable_by_waiting(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_FULL:
	case SQLITE_NOMEM:
		return true;
	default:
		return false;
	}
}

void
base_fault(struct store *store, int rc)
{
	const char *text = sqlite3_extended_errcode(store->db) == rc
	    ? sqlite3_errmsg(store->db)
	    : sqlite3_errstr(rc);
	bool from_system =
	    (rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_IOERR;
	int cause = from_system ? sqlite3_system_errno(store->db) : 0;

	if (access(store->conf->database, F_OK) == -1 && errno == ENOENT)
		base_complain(store, "missing");
	else if (cause != 0)
		base_complain(store, "%s: %s", text, strerror(cause));
	else
		base_complain(store, "%s", text);
	store->damaged = !curable_by_waiting(rc);
}

static bool
run(struct store *store, const char *sql)
{
	int rc = sqlite3_exec(store->db, sql, NULL, NULL, NULL);

	if (rc != SQLITE_OK)
		base_fault(store, rc);
	return rc == SQLITE_OK;
}

static int
schema_version(const struct store *store)
{
	int version = 0;

	while (store->schema[version] != NULL)
		version++;
	return version;
}

static bool
read_version(struct store *store, int *version)
{
	sqlite3_stmt *stmt = NULL;
	int rc;

	rc = sqlite3_prepare_v2(
	    store->db, "PRAGMA user_version", -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*version = sqlite3_column_int(stmt, 0);
	else
		base_fault(store, rc);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW;
}

static bool
check_version(struct store *store, bool upgrade)
{
	int version, ours = schema_version(store);

	if (!read_version(store, &version))
		return false;
	if (version > ours)
		base_complain(store,
		    "has schema version %d, newer than this program's %d",
		    version, ours);
	else if (version < ours && !upgrade)
		base_complain(store,
		    "has schema version %d, this program needs %d: run "
		    "\"odmrctl init\"",
		    version, ours);
	else
		return base_vet(store, version);
	return false;
}

/* SQLite answers a change that it could not make with the old mode. */
static bool
set_journal(struct store *store)
{
	sqlite3_stmt *stmt = NULL;
	bool ok = false;
	int rc;

	rc = sqlite3_prepare_v2(
	    store->db, "PRAGMA journal_mode = wal", -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW)
		base_fault(store, rc);
	else if (strcmp((const char *)sqlite3_column_text(stmt, 0), "wal") != 0)
		base_complain(store, "journal mode stays \"%s\", not wal",
		    (const char *)sqlite3_column_text(stmt, 0));
	else
		ok = true;
	sqlite3_finalize(stmt);
	return ok;
}

static bool
apply_steps(struct store *store)
{
	char fault[STORE_ERROR_SIZE / 2], sql[64];
	int version, ours = schema_version(store);

	if (!read_version(store, &version))
		return false;
	for (; version < ours; version++) {
		snprintf(
		    sql, sizeof(sql), "PRAGMA user_version = %d", version + 1);
		if (sqlite3_exec(store->db, store->schema[version], NULL, NULL,
			NULL) == SQLITE_OK &&
		    sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK)
			continue;
		snprintf(fault, sizeof(fault), "%s", sqlite3_errmsg(store->db));
		base_complain(store, "upgrade to schema version %d: %s",
		    version + 1, fault);
		return false;
	}
	return true;
}

/* All steps or none. The version is read again under the lock: another
 * process may have been first. */
static bool
upgrade_schema(struct store *store)
{
	if (!run(store, "BEGIN IMMEDIATE"))
		return false;
	if (apply_steps(store) && run(store, "COMMIT"))
		return true;
	sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	return false;
}

/* Foreign keys come on last: a step that rebuilds a table needs them off. */
bool
base_open(struct store *store, bool upgrade)
{
	store->damaged = false;
	if (base_connect(store) && check_version(store, upgrade) &&
	    (store->reader ? run(store, "PRAGMA query_only = ON")
			   : set_journal(store)) &&
	    (!upgrade || upgrade_schema(store)) &&
	    run(store, "PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL"))
		return true;
	base_close(store);
	return false;
}

void
base_close(struct store *store)
{
	struct statement *statement;

	while ((statement = store->statements) != NULL) {
		store->statements = statement->next;
		sqlite3_finalize(statement->handle);
		free(statement);
	}
	sqlite3_close(store->db);
	store->db = NULL;
}

static bool
has_moved(const struct store *store)
{
	int moved = 0;

	return sqlite3_file_control(store->db, "main", SQLITE_FCNTL_HAS_MOVED,
		   &moved) == SQLITE_OK &&
	    moved != 0;
}

/* SQLite ends a transaction by itself on some faults; what came next would
 * then be committed alone. */
static bool
transaction_alive(struct store *store)
{
	if (!store->spoiled && sqlite3_get_autocommit(store->db) == 0)
		return true;
	if (!store->spoiled)
		base_complain(store, "the transaction was rolled back");
	return false;
}

bool
base_ready(struct store *store)
{
	if (store->in_transaction)
		return transaction_alive(store);
	if (store->db != NULL && store->queries == 0 &&
	    (store->damaged || has_moved(store)))
		base_close(store);
	if (store->db == NULL)
		return base_open(store, false);
	/* A visitor of a query that failed: its error still stands. */
	return !store->damaged;
}
