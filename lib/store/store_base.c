/* SPDX-License-Identifier: ISC */
/*
 * One database: connecting, schema version, upgrades, faults.
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
spoil(struct store *store, const struct base *base)
{
	if (base == &store->bases[STATE] && store->in_transaction)
		store->spoiled = true;
}

void
base_complain(struct store *store, struct base *base, const char *fmt, ...)
{
	va_list ap;
	int n;

	n = snprintf(store->error, STORE_ERROR_SIZE, "%.255s: ", base->path);
	va_start(ap, fmt);
	vsnprintf(store->error + n, STORE_ERROR_SIZE - (size_t)n, fmt, ap);
	va_end(ap);
	spoil(store, base);
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
base_fault(struct store *store, struct base *base, int rc)
{
	const char *text = sqlite3_extended_errcode(base->db) == rc
	    ? sqlite3_errmsg(base->db)
	    : sqlite3_errstr(rc);
	bool from_system =
	    (rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_IOERR;
	int cause = from_system ? sqlite3_system_errno(base->db) : 0;

	if (access(base->path, F_OK) == -1 && errno == ENOENT)
		base_complain(store, base, "missing");
	else if (cause != 0)
		base_complain(store, base, "%s: %s", text, strerror(cause));
	else
		base_complain(store, base, "%s", text);
	base->damaged = !curable_by_waiting(rc);
}

static bool
run(struct store *store, struct base *base, const char *sql)
{
	int rc = sqlite3_exec(base->db, sql, NULL, NULL, NULL);

	if (rc != SQLITE_OK)
		base_fault(store, base, rc);
	return rc == SQLITE_OK;
}

static int
schema_version(const struct base *base)
{
	int version = 0;

	while (base->schema[version] != NULL)
		version++;
	return version;
}

static bool
read_version(struct store *store, struct base *base, int *version)
{
	sqlite3_stmt *stmt = NULL;
	int rc;

	rc = sqlite3_prepare_v2(
	    base->db, "PRAGMA user_version", -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*version = sqlite3_column_int(stmt, 0);
	else
		base_fault(store, base, rc);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW;
}

static bool
check_version(struct store *store, struct base *base, bool upgrade)
{
	int version, ours = schema_version(base);

	if (!read_version(store, base, &version))
		return false;
	if (version > ours)
		base_complain(store, base,
		    "has schema version %d, newer than this program's %d",
		    version, ours);
	else if (version < ours && !upgrade)
		base_complain(store, base,
		    "has schema version %d, this program needs %d: run "
		    "\"odmrctl init\"",
		    version, ours);
	else
		return base_vet(store, base, version);
	return false;
}

/* SQLite answers a change that it could not make with the old mode. */
static bool
set_journal(struct store *store, struct base *base)
{
	sqlite3_stmt *stmt = NULL;
	char sql[64];
	bool ok = false;
	int rc;

	snprintf(sql, sizeof(sql), "PRAGMA journal_mode = %s", base->journal);
	rc = sqlite3_prepare_v2(base->db, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW)
		base_fault(store, base, rc);
	else if (strcmp((const char *)sqlite3_column_text(stmt, 0),
		     base->journal) != 0)
		base_complain(store, base, "journal mode stays \"%s\", not %s",
		    (const char *)sqlite3_column_text(stmt, 0), base->journal);
	else
		ok = true;
	sqlite3_finalize(stmt);
	return ok;
}

static bool
apply_steps(struct store *store, struct base *base)
{
	char fault[STORE_ERROR_SIZE / 2], sql[64];
	int version, ours = schema_version(base);

	if (!read_version(store, base, &version))
		return false;
	for (; version < ours; version++) {
		snprintf(
		    sql, sizeof(sql), "PRAGMA user_version = %d", version + 1);
		if (sqlite3_exec(base->db, base->schema[version], NULL, NULL,
			NULL) == SQLITE_OK &&
		    sqlite3_exec(base->db, sql, NULL, NULL, NULL) == SQLITE_OK)
			continue;
		snprintf(fault, sizeof(fault), "%s", sqlite3_errmsg(base->db));
		base_complain(store, base, "upgrade to schema version %d: %s",
		    version + 1, fault);
		return false;
	}
	return true;
}

/* All steps or none. The version is read again under the lock: another
 * process may have been first. */
static bool
upgrade_schema(struct store *store, struct base *base)
{
	if (!run(store, base, "BEGIN IMMEDIATE"))
		return false;
	if (apply_steps(store, base) && run(store, base, "COMMIT"))
		return true;
	sqlite3_exec(base->db, "ROLLBACK", NULL, NULL, NULL);
	return false;
}

/* Foreign keys come on last: a step that rebuilds a table needs them off. */
bool
base_open(struct store *store, struct base *base, bool upgrade)
{
	base->damaged = false;
	if (base_connect(store, base) && check_version(store, base, upgrade) &&
	    (store->reader ? run(store, base, "PRAGMA query_only = ON")
			   : set_journal(store, base)) &&
	    (!upgrade || upgrade_schema(store, base)) &&
	    run(store, base, base->pragmas))
		return true;
	base_close(base);
	return false;
}

void
base_close(struct base *base)
{
	struct statement *statement;

	while ((statement = base->statements) != NULL) {
		base->statements = statement->next;
		sqlite3_finalize(statement->handle);
		free(statement);
	}
	sqlite3_close(base->db);
	base->db = NULL;
}

static bool
has_moved(const struct base *base)
{
	int moved = 0;

	return sqlite3_file_control(base->db, "main", SQLITE_FCNTL_HAS_MOVED,
		   &moved) == SQLITE_OK &&
	    moved != 0;
}

/* SQLite ends a transaction by itself on some faults; what came next would
 * then be committed alone. */
static bool
transaction_alive(struct store *store, struct base *base)
{
	if (!store->spoiled && sqlite3_get_autocommit(base->db) == 0)
		return true;
	if (!store->spoiled)
		base_complain(store, base, "the transaction was rolled back");
	return false;
}

bool
base_ready(struct store *store, enum base_name name)
{
	struct base *base = &store->bases[name];

	if (name == STATE && store->in_transaction)
		return transaction_alive(store, base);
	if (base->db != NULL && base->queries == 0 &&
	    (base->damaged || has_moved(base)))
		base_close(base);
	if (base->db == NULL)
		return base_open(store, base, false);
	/* A visitor of a query that failed: its error still stands. */
	return !base->damaged;
}
