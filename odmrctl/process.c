/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "process.h"

bool
process_runs(long pid, const char *program)
{
	char path[64], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	if (fgets(name, sizeof(name), file) == NULL)
		name[0] = '\0';
	fclose(file);
	name[strcspn(name, "\n")] = '\0';
	return strcmp(name, program) == 0;
}
