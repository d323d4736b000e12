/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: both databases. The journal mode is read from the file's
 * header (SQLite file format, 1.3), because opening a WAL database writes.
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
#include "permission.h"

enum { HEADER_SIZE = 100, WRITE_VERSION = 18, VERSION_WAL = 2 };

/* To read in a file drops this process's locks on it: before SQLite has it. */
static bool
is_wal(const char *path)
{
	unsigned char header[HEADER_SIZE];
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n;

	if (fd == -1)
		return false;
	n = read(fd, header, sizeof(header));
	close(fd);
	return n == HEADER_SIZE && header[WRITE_VERSION] == VERSION_WAL;
}

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
	if (permission_of(doctor->conf->user, NULL, directory, W_OK | X_OK) ==
	    FORBIDDEN)
		doctor_find(doctor, DATABASE_OWNER, directory,
		    doctor_text(
			doctor, "chown %s %s", doctor->conf->user, directory),
		    "user %s may not write there", doctor->conf->user);
}

static void
check_relay_file(struct doctor *doctor, const char *path, const struct stat *st)
{
	const struct conf *conf = doctor->conf;

	if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		doctor_find(doctor, RELAY_WRITABLE, path,
		    doctor_odmrctl(doctor, "init"), "mode %04o",
		    (unsigned)st->st_mode & 07777);
	if (permission_of(conf->postfix_user, NULL, path, R_OK) == FORBIDDEN)
		doctor_find(doctor, RELAY_UNREADABLE, path,
		    doctor_odmrctl(doctor,
			"init # and let %s enter its directories",
			conf->postfix_user),
		    "user %s may not read it", conf->postfix_user);
}

static void
check_journal(struct doctor *doctor, const char *path)
{
	if (is_wal(path))
		doctor_find(doctor, RELAY_WAL, path,
		    doctor_text(doctor,
			"runuser -u %s sqlite3 %s 'PRAGMA journal_mode = "
			"delete'",
			doctor->conf->user, path),
		    "its journal mode is WAL");
}

static void
check_exposed(struct doctor *doctor, const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	    (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		doctor_find(doctor, STATE_EXPOSED, path,
		    doctor_text(doctor, "chmod 600 %s", path), "mode %04o",
		    (unsigned)st.st_mode & 07777);
}

/* False: there is no use in opening it. */
static bool
check_file(struct doctor *doctor, const char *path, struct stat *st)
{
	bool owned;

	if (lstat(path, st) == -1) {
		if (errno == EACCES && geteuid() != 0)
			doctor_unseen(doctor, path);
		else
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

static void
skip_domain(const struct domain *domain, void *arg)
{
	(void)domain;
	(void)arg;
}

static bool
complain_unusable(struct doctor *doctor, const char *path)
{
	doctor_find(doctor, DATABASE_UNUSABLE, path,
	    doctor_odmrctl(
		doctor, "init # or bring the database back from a backup"),
	    "%s", store_error(doctor->store));
	return false;
}

static bool
is_usable(struct doctor *doctor)
{
	const struct conf *conf = doctor->conf;

	if (store_domain_each(doctor->store, skip_domain, NULL) != STORE_OK)
		return complain_unusable(doctor, conf->relay_database);
	if (store_account_get(doctor->store, "", NULL, NULL) == STORE_FAILED)
		return complain_unusable(doctor, conf->state_database);
	return true;
}

void
check_database_files(struct doctor *doctor)
{
	const char *relay = doctor->conf->relay_database;
	const char *state = doctor->conf->state_database;
	bool usable = true;
	struct stat st;

	if (check_file(doctor, relay, &st))
		check_relay_file(doctor, relay, &st);
	else
		usable = false;
	if (check_file(doctor, state, &st)) {
		check_exposed(doctor, state);
		check_exposed(doctor, doctor_text(doctor, "%s-wal", state));
	} else
		usable = false;
	if (!usable)
		store_free(&doctor->store);
}

void
check_databases(struct doctor *doctor)
{
	if (doctor->store == NULL)
		return;
	check_journal(doctor, doctor->conf->relay_database);
	if (!is_usable(doctor))
		store_free(&doctor->store);
}
