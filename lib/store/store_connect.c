/* SPDX-License-Identifier: ISC */
/*
 * Opening a database whose directory belongs to conf->user, for a program that
 * trusts this user less than itself. No link is followed, no pipe is waited at,
 * and before the first question it is certain that the tables are tables: a
 * view in the place of one, or a trigger, may take for ever.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store_internal.h"

/* Beside its file SQLite follows no link either, but it waits at a pipe. */
static bool
are_plain(struct store *store)
{
	static const char *const suffixes[] = { "", "-journal", "-wal",
		"-shm" };
	char path[PATH_MAX];
	struct stat st;

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", store->conf->database,
		    suffixes[i]);
		if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
			base_complain(store, "%s%s",
			    i == 0 ? "" : suffixes[i] + 1,
			    i == 0 ? "is no plain file"
				   : " beside it is no plain file");
			return false;
		}
	}
	return true;
}

/* The true name of the directory with the file's own: SQLite's flag refuses a
 * link anywhere in a path, and those to the directory are the operator's. */
static bool
find_file(struct store *store, char path[PATH_MAX])
{
	const char *slash = strrchr(store->conf->database, '/');
	const char *name = slash != NULL ? slash + 1 : store->conf->database;
	char directory[PATH_MAX], real[PATH_MAX];

	snprintf(directory, sizeof(directory), "%.*s",
	    (int)(name - store->conf->database), store->conf->database);
	if (realpath(slash != NULL ? directory : ".", real) == NULL)
		return false;
	errno = ENAMETOOLONG;
	return snprintf(path, PATH_MAX, "%s/%s", real, name) < PATH_MAX;
}

bool
base_connect(struct store *store)
{
	char path[PATH_MAX];
	int rc;

	if (!are_plain(store))
		return false;
	if (!find_file(store, path)) {
		base_complain(
		    store, "%s", errno == ENOENT ? "missing" : strerror(errno));
		return false;
	}
	rc = sqlite3_open_v2(path, &store->db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
	    NULL);
	if (rc != SQLITE_OK) {
		base_fault(store, rc);
		return false;
	}
	sqlite3_extended_result_codes(store->db, 1);
	sqlite3_busy_timeout(store->db, store->busy_ms);
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	return true;
}

/* ---- what is in it ------------------------------------------------------- */

/* A database in memory as the first `version` steps make it. */
static int
make_model(struct store *store, int version, sqlite3 **model)
{
	int rc = sqlite3_open_v2(":memory:", model,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	for (int step = 0; rc == SQLITE_OK && step < version; step++)
		rc =
		    sqlite3_exec(*model, store->schema[step], NULL, NULL, NULL);
	return rc;
}

/* SQLITE_DONE: all are in the model; SQLITE_ROW: `theirs` stands at one that
 * is not. */
static int
find_stranger(sqlite3_stmt *theirs, sqlite3_stmt *ours)
{
	int rc, found;

	while ((rc = sqlite3_step(theirs)) == SQLITE_ROW) {
		sqlite3_bind_value(ours, 1, sqlite3_column_value(theirs, 0));
		found = sqlite3_step(ours);
		sqlite3_reset(ours);
		if (found != SQLITE_ROW)
			return found == SQLITE_DONE ? SQLITE_ROW : found;
	}
	return rc;
}

/* SQLite believes the text alone, whatever the other columns say. What ANALYZE
 * leaves is the operator's. */
static int
compare(struct store *store, sqlite3 *model)
{
	static const char all[] =
	    "SELECT sql, name FROM main.sqlite_schema WHERE sql IS NOT NULL "
	    "AND sql NOT LIKE 'CREATE TABLE sqlite^_stat_(%' ESCAPE '^'";
	static const char one[] =
	    "SELECT 1 FROM main.sqlite_schema WHERE sql = ?1";
	sqlite3_stmt *theirs = NULL, *ours = NULL;
	int rc = sqlite3_prepare_v2(model, one, -1, &ours, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(store->db, all, -1, &theirs, NULL);
	if (rc == SQLITE_OK)
		rc = find_stranger(theirs, ours);
	if (rc == SQLITE_ROW)
		base_complain(store,
		    "has \"%.64s\", which is no part of its schema",
		    (const char *)sqlite3_column_text(theirs, 1));
	else if (rc != SQLITE_DONE)
		base_fault(store, rc);
	sqlite3_finalize(theirs);
	sqlite3_finalize(ours);
	return rc;
}

bool
base_vet(struct store *store, int version)
{
	sqlite3 *model = NULL;
	int rc = make_model(store, version, &model);

	if (rc == SQLITE_OK)
		rc = compare(store, model);
	else
		base_complain(store, "%s", sqlite3_errmsg(model));
	sqlite3_close(model);
	return rc == SQLITE_DONE;
}
