/* SPDX-License-Identifier: ISC */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

struct search {
	const char *path;
	const char *name; /* the last part of path */
	int64_t inode;
	struct old_logs *found;
};

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

/* A file that goes away meanwhile was not there. */
static bool
consider(struct search *search, const char *name)
{
	size_t len = strlen(search->name);
	struct stat st;
	char *path;

	if (strncmp(name, search->name, len) != 0 || name[len] == '\0')
		return true;
	if (asprintf(&path, "%s%s", search->path, name + len) == -1)
		return false;
	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	    ((int64_t)st.st_ino == search->inode || is_numbered(name + len)))
		return take(search->found, path, &st);
	free(path);
	return true;
}

static bool
read_directory(struct search *search, DIR *directory)
{
	struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(directory);
	} while (entry != NULL && consider(search, entry->d_name));
	return errno == 0;
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

static DIR *
open_parent(const char *path, const char *name)
{
	char *parent =
	    name == path ? strdup(".") : strndup(path, (size_t)(name - path));
	DIR *directory = parent == NULL ? NULL : opendir(parent);

	free(parent);
	return directory;
}

bool
old_logs_find(struct old_logs *found, const char *path, int64_t inode)
{
	const char *slash = strrchr(path, '/');
	struct search search = { .path = path,
		.name = slash == NULL ? path : slash + 1,
		.inode = inode,
		.found = found };
	DIR *directory = open_parent(path, search.name);
	int fault;

	*found = (struct old_logs) { 0 };
	if (directory == NULL)
		return false;
	if (read_directory(&search, directory)) {
		closedir(directory);
		keep_from(found, inode);
		return true;
	}
	fault = errno;
	closedir(directory);
	old_logs_free(found);
	errno = fault;
	return false;
}

void
old_logs_free(struct old_logs *logs)
{
	for (size_t i = 0; i < logs->count; i++)
		free(logs->all[i].path);
	free(logs->all);
	*logs = (struct old_logs) { 0 };
}
