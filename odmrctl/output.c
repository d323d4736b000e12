/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "odmrctl.h"

static bool
write_all(int fd, const char *text, size_t len)
{
	ssize_t n;

	for (; len > 0; text += n, len -= (size_t)n) {
		n = write(fd, text, len);
		if (n == -1 && errno == EINTR)
			n = 0;
		else if (n == -1)
			return false;
	}
	return true;
}

/* 0644: other users' programs read it. Closes `fd`. */
static bool
finish(int fd, const char *temporary, const char *path)
{
	bool ok = fchmod(fd, 0644) == 0;

	ok = close(fd) == 0 && ok;
	return ok && rename(temporary, path) == 0;
}

/* Beside the file, since only there it can be renamed; the node exporter reads
 * names that end in ".prom" only. */
static int
replace(const char *path, char *temporary, const char *text, size_t len)
{
	int fd = mkstemp(temporary), reason;

	if (fd == -1)
		return complain(EX_CANTCREAT, "%s: %s", path, strerror(errno));
	if (write_all(fd, text, len)) {
		if (finish(fd, temporary, path))
			return EX_OK;
		reason = errno;
	} else {
		reason = errno;
		close(fd);
	}
	unlink(temporary);
	return complain(EX_IOERR, "%s: %s", path, strerror(reason));
}

int
output_write(const char *path, const char *text, size_t len)
{
	char *temporary;
	struct stat st;
	int code;

	if (path == NULL) {
		if (fwrite(text, 1, len, stdout) != len ||
		    fflush(stdout) == EOF)
			return complain(
			    EX_IOERR, "standard output: write error");
		return EX_OK;
	}
	/* A file takes the place of what is there: /dev/null is to stay. */
	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return complain(EX_CANTCREAT, "%s: is no regular file", path);
	if (asprintf(&temporary, "%s.XXXXXX", path) == -1)
		return complain(EX_OSERR, "out of memory");
	code = replace(path, temporary, text, len);
	free(temporary);
	return code;
}
