/* SPDX-License-Identifier: ISC */
#include "lines.h"

size_t
lines_count(const char *list)
{
	size_t lines = 1;

	for (; *list != '\0'; list++)
		lines += *list == '\n';
	return lines;
}
