/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "streams.h"

/* The lowest one that is free is what open(2) returns. */
void
streams_occupy(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) == -1 && errno == EBADF)
			open("/dev/null",
			    fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* The last write may have found room again after one that failed. */
bool
streams_flush(void)
{
	return fflush(stdout) != EOF && ferror(stdout) == 0;
}
