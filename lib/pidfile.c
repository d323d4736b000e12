/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <unistd.h>

#include "locked_file.h"
#include "pidfile.h"

int
pid_file_open(const char *path, char error[PID_ERROR_SIZE])
{
	int fd = locked_file_open(path, 0644);

	if (fd == -1)
		snprintf(error, PID_ERROR_SIZE, "%.256s: %s", path,
		    locked_file_fault());
	return fd;
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
