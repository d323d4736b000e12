/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sysexits.h>
#include <unistd.h>

#include "lock.h"
#include "log.h"

static int
open_locked(const char *path, int *code)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	*code = fd != -1 && errno == EWOULDBLOCK ? EX_OK : EX_CANTCREAT;
	if (*code != EX_OK)
		log_error(NULL, "%s: %s", path, strerror(errno));
	if (fd != -1)
		close(fd);
	return -1;
}

int
lock_take(const struct conf *conf, const char *suffix, int *code)
{
	char *path;
	int fd;

	if (asprintf(&path, "%s%s", conf->state_database, suffix) == -1) {
		log_error(NULL, "out of memory");
		*code = EX_OSERR;
		return -1;
	}
	fd = open_locked(path, code);
	free(path);
	return fd;
}
