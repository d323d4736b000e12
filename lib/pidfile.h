/* SPDX-License-Identifier: ISC */
/*
 * The file that names the running process. It is opened before the program
 * gives up root, because its directory may be root's, and stays locked as long
 * as the process lives, so that there is never a second one.
 */
#ifndef PIDFILE_H
#define PIDFILE_H

#include <stdbool.h>

enum { PID_ERROR_SIZE = 512 };

/* Returns a descriptor, or -1 with one line in `error`. */
int pid_file_open(const char *path, char error[PID_ERROR_SIZE]);
bool pid_file_write(int fd);
/* Where the directory does not let go of the file, it is left empty. */
void pid_file_remove(const char *path, int fd);

#endif
