/* SPDX-License-Identifier: ISC */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log_file.h"

int
log_file_open(const char *path, struct stat *st, const char **why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd == -1 || fstat(fd, st) == -1)
		*why = strerror(errno);
	else if (!S_ISREG(st->st_mode))
		*why = "is no plain file";
	else
		return fd;
	if (fd != -1)
		close(fd);
	return -1;
}

bool
log_file_ends_line(int fd, const struct stat *st, int64_t offset)
{
	char c;

	return offset == 0 ||
	    (offset <= st->st_size && pread(fd, &c, 1, offset - 1) == 1 &&
		c == '\n');
}

/* ---- the older ones ------------------------------------------------------ */

static bool
is_numbered(const char *suffix)
{
	return suffix[strspn(suffix, "0123456789.-")] == '\0';
}

static int
by_age(const void *a, const void *b)
{
	const struct timespec *left = &((const struct old_log *)a)->st.st_mtim;
	const struct timespec *right = &((const struct old_log *)b)->st.st_mtim;

	if (left->tv_sec != right->tv_sec)
		return left->tv_sec < right->tv_sec ? -1 : 1;
	return (left->tv_nsec > right->tv_nsec) -
	    (left->tv_nsec < right->tv_nsec);
}

/* Owns `path` from here on. */
static bool
take(struct old_logs *found, char *path, const struct stat *st)
{
	void *grown =
	    reallocarray(found->all, found->count + 1, sizeof(*found->all));

	if (grown == NULL) {
		free(path);
		return false;
	}
	found->all = grown;
	found->all[found->count++] = (struct old_log) { path, *st };
	return true;
}

/* Is `name`, of a file beside `path`, that of an older one? One that goes away
 * meanwhile was not there. */
static bool
consider(
    struct old_logs *found, const char *path, const char *name, int64_t inode)
{
	const char *slash = strrchr(path, '/');
	const char *last = slash != NULL ? slash + 1 : path;
	size_t len = strlen(last);
	struct stat st;
	char *whole;

	if (strncmp(name, last, len) != 0 || name[len] == '\0')
		return true;
	if (asprintf(&whole, "%s%s", path, name + len) == -1)
		return false;
	if (lstat(whole, &st) == 0 && S_ISREG(st.st_mode) &&
	    ((int64_t)st.st_ino == inode || is_numbered(name + len)))
		return take(found, whole, &st);
	free(whole);
	return true;
}

/* Those before the one that was looked for go. */
static void
keep_from(struct old_logs *found, int64_t inode)
{
	size_t i = 0;

	if (found->count == 0)
		return;
	qsort(found->all, found->count, sizeof(*found->all), by_age);
	while (i < found->count && (int64_t)found->all[i].st.st_ino != inode)
		free(found->all[i++].path);
	found->count -= i;
	memmove(found->all, found->all + i, found->count * sizeof(*found->all));
}

bool
old_logs_find(struct old_logs *found, const char *path, int64_t inode)
{
	char *parent = strdup(path);
	struct dirent **names = NULL;
	int count = -1;
	bool ok;

	*found = (struct old_logs) { 0 };
	if (parent != NULL)
		count = scandir(dirname(parent), &names, NULL, NULL);
	ok = count != -1;
	for (int i = 0; i < count; i++) {
		ok = ok && consider(found, path, names[i]->d_name, inode);
		free(names[i]);
	}
	free(names);
	free(parent);
	if (ok)
		keep_from(found, inode);
	else
		old_logs_free(found);
	return ok;
}

void
old_logs_free(struct old_logs *logs)
{
	for (size_t i = 0; i < logs->count; i++)
		free(logs->all[i].path);
	free(logs->all);
	*logs = (struct old_logs) { 0 };
}
