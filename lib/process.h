/* SPDX-License-Identifier: ISC */
/*
 * Which program a process runs. The number of one that is gone may have been
 * given to another since.
 */
#ifndef PROCESS_H
#define PROCESS_H

/* The process that the pid file names, if it runs `program`; else 0. The name
 * has 15 characters at most, of which the kernel knows no more. */
long process_of_file(const char *pid_file, const char *program);

#endif
