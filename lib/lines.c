/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <string.h>

#include "lines.h"

size_t
lines_count(const char *list)
{
	size_t lines = 1;

	for (; *list != '\0'; list++)
		lines += *list == '\n';
	return lines;
}

bool
lines_next(const char **list, char *line, size_t size)
{
	size_t len = strcspn(*list, "\n");

	if (len == 0)
		return false;
	assert(len < size);
	memcpy(line, *list, len);
	line[len] = '\0';
	*list += len + ((*list)[len] == '\n');
	return true;
}
