/* SPDX-License-Identifier: ISC */
/*
 * Running a program of Postfix. Its arguments go into argv, no shell is near
 * them.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

/* Starts it with these descriptors for standard input (-1: empty), output and
 * error, which stay open here. Returns 0 or an errno. */
int program_start(
    const char *const *argv, int input, int output, int errors, pid_t *pid);

/* Its standard input is empty. From `*output`, which is non-blocking, comes
 * what it writes to standard output, and to standard error if `errors` is -1
 * and not the descriptor for that. Returns 0 or an errno. */
int program_spawn(const char *const *argv, int errors, pid_t *pid, int *output);

/* false: it need not go on. */
typedef bool program_take(void *arg, const char *bytes, size_t len);

/*
 * Runs it to its end and hands its output to `take`. One that says nothing for
 * a minute is killed, and so is one that stays for a minute after it has closed
 * its output, or whose output `take` does not want. true: it ended with exit
 * status 0 and all of its standard output was taken. Else one line is in
 * `error`, if possible its own last one on standard error; it stays as it is
 * where `take` said no.
 */
bool program_run(const char *const *argv, program_take *take, void *arg,
    char *error, size_t size);

/* The same where standard error is part of the output. */
bool program_run_mixed(const char *const *argv, program_take *take, void *arg,
    char *error, size_t size);

/* The same for one with no output of interest, which is killed after so many
 * seconds. */
bool program_run_silent(
    const char *const *argv, long seconds, char *error, size_t size);

/* The process is about to end: a program_run() of another thread, or below this
 * signal handler, gives up within a moment, and so does every later one. */
void program_abandon(void);
bool program_abandoned(void);

#endif
