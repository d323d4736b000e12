/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <unistr.h>

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

/* A terminal's orders: of ASCII, and those of Unicode that some obey as well.
 * What is no UTF-8 may be one, too. */
static bool
is_order(int size, ucs4_t c, const uint8_t *text, size_t left)
{
	if (c == '\r')
		return left < 2 || text[1] != '\n';
	return size < 0 || (c < 0x20 && c != '\n') || (c >= 0x7f && c < 0xa0);
}

static void
show(const uint8_t *text, size_t len, bool json)
{
	ucs4_t c;
	int size, width;

	for (; len > 0; text += width, len -= (size_t)width) {
		size = u8_mbtoucr(&c, text, len);
		width = size > 0 ? size : 1;
		if (!is_order(size, c, text, len))
			fwrite(text, 1, (size_t)width, stdout);
		else if (json)
			printf("\\u%04x", size > 0 ? (unsigned)c : 0xfffd);
		else
			for (int i = 0; i < width; i++)
				printf("\\%03o", text[i]);
	}
}

int
output_show(const char *text, size_t len, bool json)
{
	show((const uint8_t *)text, len, json);
	if (fflush(stdout) == EOF || ferror(stdout))
		return complain(EX_IOERR, "standard output: write error");
	return EX_OK;
}

int
output_write(const char *path, const char *text, size_t len)
{
	char *temporary;
	struct stat st;
	int code;

	/* A file takes the place of what is there: /dev/null is to stay. */
	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return complain(EX_CANTCREAT, "%s: is no regular file", path);
	if (asprintf(&temporary, "%s.XXXXXX", path) == -1)
		return complain(EX_OSERR, "out of memory");
	code = replace(path, temporary, text, len);
	free(temporary);
	return code;
}
