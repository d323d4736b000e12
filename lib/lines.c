/* SPDX-License-Identifier: ISC */
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
lines_next(const char **list, const char **line, size_t *len)
{
	*line = *list;
	*len = strcspn(*line, "\n");
	*list += *len + ((*line)[*len] == '\n');
	return *len > 0;
}
