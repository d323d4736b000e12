/* SPDX-License-Identifier: ISC */
/*
 * A store in a directory of its own, for the tests of the store. As root the
 * files go to users that every Debian has.
 */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/store/store_internal.h"

enum { BUSY_MS = 50 };

struct fixture {
	char top[64], dir[96], database[128];
	char user[16], postfix_user[16];
	struct conf conf;
	struct store *store;
};

#define assert_ok(f, call)                                                     \
	do {                                                                   \
		if ((call) != STORE_OK)                                        \
			fail_msg("%s: %s", #call, store_error((f)->store));    \
	} while (0)

static inline int
fixture_make(void **arg)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->top, "/tmp/odmr-unit-XXXXXX");
	if (mkdtemp(f->top) == NULL)
		return -1;
	snprintf(f->dir, sizeof(f->dir), "%s/db", f->top);
	snprintf(f->database, sizeof(f->database), "%s/odmr.db", f->dir);
	strcpy(f->user, "nobody");
	strcpy(f->postfix_user, "daemon");
	f->conf.database = f->database;
	f->conf.user = f->user;
	f->conf.postfix_user = f->postfix_user;
	f->store = store_new(&f->conf, BUSY_MS);
	*arg = f;
	return f->store == NULL ? -1 : 0;
}

static inline int
fixture_make_initialised(void **arg)
{
	struct fixture *f;

	if (fixture_make(arg) != 0)
		return -1;
	f = *arg;
	return store_init(f->store) == STORE_OK ? 0 : -1;
}

static inline int
fixture_remove(void **arg)
{
	struct fixture *f = *arg;
	char command[128];

	store_free(&f->store);
	snprintf(command, sizeof(command), "rm -r '%s'", f->top);
	free(f);
	return system(command);
}

/* A test with a store in which the database is. */
#define STORE_TEST(name)                                                       \
	cmocka_unit_test_setup_teardown(                                       \
	    name, fixture_make_initialised, fixture_remove)

/* A second connection, as another process would have it. */
static inline sqlite3 *
open_beside(const char *path)
{
	sqlite3 *db;

	assert_int_equal(
	    sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	return db;
}

static inline void
execute(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

/* The first column of the first row, as seen from beside. */
static inline void
ask(const char *path, const char *sql, char *out, size_t size)
{
	sqlite3 *db = open_beside(path);
	sqlite3_stmt *stmt;

	assert_int_equal(
	    sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	snprintf(out, size, "%s", (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

static inline void
assert_answer(const char *path, const char *sql, const char *expected)
{
	char answer[256];

	ask(path, sql, answer, sizeof(answer));
	assert_string_equal(answer, expected);
}

#endif
