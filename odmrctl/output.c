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

bool
output_is_order(const char *text, size_t left, size_t *width)
{
	ucs4_t c;
	int size = u8_mbtoucr(&c, (const uint8_t *)text, left);

	*width = size > 0 ? (size_t)size : 1;
	if (text[0] == '\r')
		return left < 2 || text[1] != '\n';
	return size < 0 || (c < 0x20 && c != '\n') || (c >= 0x7f && c < 0xa0);
}

/* The last byte of an order, of one or two, is its number as well. */
static void
show_order(const char *text, size_t width, bool json)
{
	if (json)
		printf("\\u%04x", (unsigned char)text[width - 1]);
	else
		for (size_t i = 0; i < width; i++)
			printf("\\%03o", (unsigned char)text[i]);
}

int
output_show(const char *text, size_t len, bool json)
{
	size_t width;

	for (; len > 0; text += width, len -= width)
		if (output_is_order(text, len, &width))
			show_order(text, width, json);
		else
			fwrite(text, 1, width, stdout);
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
