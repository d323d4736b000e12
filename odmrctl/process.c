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

bool
process_of_file_runs(const char *pid_file, const char *program)
{
	FILE *file = fopen(pid_file, "re");
	long pid = 0;

	if (file == NULL)
		return false;
	if (fscanf(file, "%10ld", &pid) != 1)
		pid = 0;
	fclose(file);
	return pid > 0 && process_runs(pid, program);
}
