/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "intake.h"

char *
intake_room(struct intake *in, size_t *n)
{
	size_t length = intake_length(in);

	if (in->memory == NULL && (in->memory = malloc(INTAKE_SIZE)) == NULL)
		return NULL;
	if (in->start > 0)
		memmove(in->memory, intake_bytes(in), length);
	in->start = 0;
	in->end = length;
	*n = INTAKE_SIZE - length;
	return *n > 0 ? in->memory + length : NULL;
}

void
intake_add(struct intake *in, size_t n)
{
	in->end += n;
	intake_use(in, 0);
}

void
intake_use(struct intake *in, size_t n)
{
	in->start += n;
	if (in->start < in->end)
		return;
	free(in->memory);
	*in = (struct intake) { 0 };
}

/* Is there, within the `len` bytes before a line's LF, what no line has? */
static bool
bad_line(const char *line, size_t len, bool lenient)
{
	if (len > 0 && line[len - 1] == '\r')
		len--;
	else if (!lenient)
		return true;
	return memchr(line, '\0', len) != NULL ||
	    memchr(line, '\r', len) != NULL;
}

enum line_result
intake_line(struct intake *in, size_t limit, bool lenient, char **line,
    size_t *len, size_t *taken)
{
	size_t n = intake_length(in);
	char *at = intake_bytes(in);
	const char *lf = n > 0 ? memchr(at, '\n', n) : NULL;

	if (lf == NULL)
		return n > limit || n == INTAKE_SIZE ? LINE_LONG : LINE_NONE;
	n = (size_t)(lf - at);
	if (n > limit)
		return LINE_LONG;
	if (bad_line(at, n, lenient))
		return LINE_BAD;
	*taken = n + 1;
	if (n > 0 && at[n - 1] == '\r')
		n--;
	at[n] = '\0';
	*line = at;
	*len = n;
	return LINE_OK;
}
