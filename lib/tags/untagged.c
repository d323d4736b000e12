/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/store/store_reconcile.h"
#include "untagged.h"

static void
name(const struct conf *conf, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s.untagged", conf->database);
}

/* What is there is not opened: it may be a link. */
bool
untagged_mark(const struct conf *conf)
{
	static const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
	char path[PATH_MAX];
	int fd;

	name(conf, path);
	if (utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	if (errno != ENOENT)
		return false;
	fd = open(path, flags, 0600);
	if (fd == -1)
		return false;
	close(fd);
	return true;
}

/* A message without a tag may get into the queue some time after the mark, as
 * one with a tag may. */
bool
untagged_since(const struct conf *conf, int64_t when)
{
	char path[PATH_MAX];
	struct stat st;

	name(conf, path);
	if (lstat(path, &st) == -1)
		return errno != ENOENT;
	return st.st_mtim.tv_sec + RECONCILE_YOUNG >= when;
}
