/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: the database.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

static bool
check_owner(struct doctor *doctor, const char *path, const struct stat *st)
{
	const struct passwd *pw = getpwnam(doctor->conf->user);

	if (pw == NULL || st->st_uid == pw->pw_uid)
		return true;
	doctor_find(doctor, DATABASE_OWNER, path,
	    doctor_odmrctl(doctor, "init"), "belongs to user %u, not to %s",
	    (unsigned)st->st_uid, doctor->conf->user);
	return false;
}

/* SQLite makes its journals beside the database. */
static void
check_directory(struct doctor *doctor, const char *path)
{
	char *copy = strdup(path);
	const char *directory;

	if (copy == NULL)
		return;
	directory = doctor_text(doctor, "%s", dirname(copy));
	free(copy);
	if (access_as_denied(doctor->conf->user, NULL, directory, W_OK | X_OK))
		doctor_find(doctor, DATABASE_OWNER, directory,
		    doctor_text(
			doctor, "chown %s %s", doctor->conf->user, directory),
		    "user %s may not write there", doctor->conf->user);
}

static void
check_exposed(struct doctor *doctor, const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	    (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		doctor_find(doctor, DATABASE_EXPOSED, path,
		    doctor_text(doctor, "chmod 600 %s", path), "mode %04o",
		    (unsigned)st.st_mode & 07777);
}

/* False: there is no use in opening it. */
static bool
check_file(struct doctor *doctor, const char *path, struct stat *st)
{
	bool owned;

	if (lstat(path, st) == -1) {
		if (!doctor_is_unseen(doctor, path))
			doctor_find(doctor, DATABASE_UNUSABLE, path,
			    doctor_odmrctl(doctor, "init"), "%s",
			    strerror(errno));
		return false;
	}
	owned = check_owner(doctor, path, st);
	check_directory(doctor, path);
	if (access(path, R_OK) == 0)
		return owned || geteuid() != 0;
	doctor_unseen(doctor, path);
	return false;
}

void
check_database_file(struct doctor *doctor)
{
	const char *path = doctor->conf->database;
	struct stat st;

	if (!check_file(doctor, path, &st)) {
		store_free(&doctor->store);
		return;
	}
	check_exposed(doctor, path);
	check_exposed(doctor, doctor_text(doctor, "%s-wal", path));
}

/* init upgrades an old one, and cannot help one that is damaged. */
void
check_database(struct doctor *doctor)
{
	const char *path = doctor->conf->database, *error;

	if (doctor->store == NULL ||
	    store_account_get(doctor->store, "", NULL, NULL) != STORE_FAILED)
		return;
	error = store_error(doctor->store);
	doctor_find(doctor, DATABASE_UNUSABLE, path,
	    strstr(error, ": run ") != NULL
		? doctor_odmrctl(doctor, "init")
		: doctor_text(doctor,
		      "sqlite3 %s 'PRAGMA integrity_check' # and bring it back "
		      "from a backup, or install the release that wrote it",
		      path),
	    "%s", error);
	store_free(&doctor->store);
}
