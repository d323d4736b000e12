/* SPDX-License-Identifier: ISC */
/*
 * The database's file itself: who owns it and who may read it.
 *
 * The directory belongs to conf->user, because SQLite keeps its journal beside
 * the database, and is 0755, because Postfix reads its tables there. One that
 * exists already is never changed (it may be /var/lib), only refused if
 * conf->user cannot write to it. That user may be less trusted than root, who
 * runs this: a link planted in its directory must not be followed.
 *
 * Closing the descriptor drops this process's locks on the file, so this runs
 * before SQLite opens it.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_internal.h"

struct owner {
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

static const struct passwd *
find_user(struct store *store, const char *name)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(name);
	if (pw == NULL)
		base_complain(store, "its user \"%.64s\": %s", name,
		    errno == 0 ? "no such user" : strerror(errno));
	return pw;
}

/* Only root can give files away; another user's files are its own. */
static bool
find_owner(struct store *store, struct owner *owner)
{
	const struct passwd *pw;

	owner->mode = 0600;
	owner->uid = geteuid();
	owner->gid = (gid_t)-1;
	if (owner->uid != 0)
		return true;
	pw = find_user(store, store->conf->user);
	if (pw == NULL)
		return false;
	owner->uid = pw->pw_uid;
	owner->gid = pw->pw_gid;
	return true;
}

static bool
give_directory(const char *path, const struct owner *owner)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool ok = fd != -1 && fchmod(fd, 0755) == 0 &&
	    (geteuid() != 0 || fchown(fd, owner->uid, (gid_t)-1) == 0);

	if (fd != -1)
		close(fd);
	return ok;
}

static bool
make_directory(struct store *store, const char *path, const struct owner *owner)
{
	if (mkdir(path, 0755) == 0 ? give_directory(path, owner)
				   : errno == EEXIST)
		return true;
	base_complain(store, "directory %.255s: %s", path, strerror(errno));
	return false;
}

static bool
check_directory(
    struct store *store, const char *path, const struct owner *owner)
{
	struct stat st;

	if (stat(path, &st) == -1) {
		base_complain(
		    store, "directory %.255s: %s", path, strerror(errno));
		return false;
	}
	if (geteuid() != 0 || owner->uid == 0 || st.st_uid == owner->uid ||
	    (st.st_mode & S_IWOTH) != 0)
		return true;
	base_complain(store,
	    "directory %.255s: must belong to user %.64s, who writes there",
	    path, store->conf->user);
	return false;
}

static bool
prepare_directory(struct store *store, const struct owner *owner)
{
	char *copy = strdup(store->conf->database);
	const char *path;
	bool ok;

	if (copy == NULL) {
		base_complain(store, "out of memory");
		return false;
	}
	path = dirname(copy);
	ok = make_directory(store, path, owner) &&
	    check_directory(store, path, owner);
	free(copy);
	return ok;
}

static const char *
set_owner(int fd, const struct owner *owner)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return strerror(errno);
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return "is no plain file with one name";
	if (geteuid() == 0 && fchown(fd, owner->uid, owner->gid) == -1)
		return strerror(errno);
	if (fchmod(fd, owner->mode) == -1)
		return strerror(errno);
	return NULL;
}

bool
file_prepare(struct store *store)
{
	struct owner owner;
	const char *fault;
	int fd;

	if (!find_owner(store, &owner) || !prepare_directory(store, &owner))
		return false;
	fd = open(store->conf->database,
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, owner.mode);
	if (fd == -1) {
		base_complain(store, "%s", strerror(errno));
		return false;
	}
	fault = set_owner(fd, &owner);
	close(fd);
	if (fault != NULL)
		base_complain(store, "%s", fault);
	return fault == NULL;
}

/* SQLite would read on where it cannot write, and say of the directory that the
 * database is read-only. */
bool
file_is_ours(struct store *store)
{
	const char *database = store->conf->database;
	char *copy = strdup(database);
	const char *directory = copy != NULL ? dirname(copy) : ".";
	bool ok = true;

	if (access(directory, F_OK) == 0 &&
	    access(directory, W_OK | X_OK) == -1) {
		base_complain(
		    store, "directory %.255s: %s", directory, strerror(errno));
		ok = false;
	} else if (access(database, F_OK) == 0 &&
	    access(database, R_OK | W_OK) == -1) {
		base_complain(store, "%s", strerror(errno));
		ok = false;
	}
	free(copy);
	return ok;
}
