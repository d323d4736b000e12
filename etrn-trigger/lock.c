/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "lock.h"
#include "lib/locked_file.h"
#include "lib/log.h"

int
lock_take(const struct conf *conf, const char *suffix, int *code)
{
	char *path;
	int fd;

	if (asprintf(&path, "%s%s", conf->database, suffix) == -1) {
		log_error(NULL, "out of memory");
		*code = EX_OSERR;
		return -1;
	}
	fd = locked_file_open(path, 0600);
	if (fd == -1)
		*code = errno == EWOULDBLOCK ? EX_OK : EX_CANTCREAT;
	if (fd == -1 && *code != EX_OK)
		log_error(NULL, "%s: %s", path, locked_file_fault());
	free(path);
	return fd;
}
