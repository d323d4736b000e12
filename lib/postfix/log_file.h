/* SPDX-License-Identifier: ISC */
/*
 * The files of a log that is rotated: the one that is written, PATH, and those
 * that it was renamed to, PATH.1 or PATH-20261122 beside it.
 */
#ifndef LOG_FILE_H
#define LOG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/* -1: *why says why it cannot be read. Never waits, as for a pipe. */
int log_file_open(const char *path, struct stat *st, const char **why);

/* Whether a line ends at `offset`. A file that was cut short and written anew
 * (logrotate's copytruncate) has something else there. */
bool log_file_ends_line(int fd, const struct stat *st, int64_t offset);

struct old_log {
	char *path;
	struct stat st;
};

struct old_logs {
	struct old_log *all; /* the one written to longest ago comes first */
	size_t count;
};

/*
 * The file that has this inode, if its name begins with `path`, and all that
 * are younger and are numbered or dated, which a copy that somebody made is
 * not; `path` itself is not among them. None: it was removed or compressed.
 * false: errno says why the directory cannot be read.
 */
bool old_logs_find(struct old_logs *, const char *path, int64_t inode);
void old_logs_free(struct old_logs *);

#endif
