/* SPDX-License-Identifier: ISC */
/*
 * Which program a process runs. The number of one that is gone may have been
 * given to another since.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>

/* Of the process that the pid file names. `program` has 15 characters at most,
 * of which the kernel knows no more. */
bool process_of_file_runs(const char *pid_file, const char *program);

#endif
