/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "pidfile.h"

int
pid_file_open(const char *path, char error[PID_ERROR_SIZE])
{
	int fd, reason;

	/* The directory may belong to another user: follow no link there. */
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	reason = errno;
	snprintf(error, PID_ERROR_SIZE, "%.256s: %s", path,
	    reason == EWOULDBLOCK ? "another process is running"
				  : strerror(reason));
	if (fd != -1)
		close(fd);
	return -1;
}

bool
pid_file_write(int fd)
{
	return ftruncate(fd, 0) == 0 && dprintf(fd, "%d\n", (int)getpid()) > 0;
}

void
pid_file_remove(const char *path, int fd)
{
	if (unlink(path) == -1 && ftruncate(fd, 0) == -1)
		return;
	close(fd);
}
