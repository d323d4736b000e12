/* SPDX-License-Identifier: ISC */
/* Files that tell whether another process runs. */
#ifndef LOCKED_FILE_H
#define LOCKED_FILE_H

#include <sys/types.h>

/*
 * Opens the file, made with `mode` if it is missing, and locks it as long as
 * the descriptor is open, which no program that is run inherits. The directory
 * may belong to another user: no link is followed there, and what is no plain
 * file with one name is not taken. -1: see errno; EWOULDBLOCK if another
 * process has it.
 */
int locked_file_open(const char *path, mode_t mode);
/* What errno means after -1. */
const char *locked_file_fault(void);

#endif
