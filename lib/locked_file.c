/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "locked_file.h"

static bool
is_plain(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return false;
	errno = EINVAL;
	return S_ISREG(st.st_mode) && st.st_nlink == 1;
}

int
locked_file_open(const char *path, mode_t mode)
{
	int fd = open(
	    path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode);
	int reason;

	if (fd == -1 || (is_plain(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0))
		return fd;
	reason = errno;
	close(fd);
	errno = reason;
	return -1;
}

const char *
locked_file_fault(void)
{
	switch (errno) {
	case EWOULDBLOCK:
		return "another process is running";
	case EINVAL:
	case ELOOP:
	case ENXIO:
		return "is no plain file with one name";
	default:
		return strerror(errno);
	}
}
