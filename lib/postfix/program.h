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

/* Its standard input is empty. From `*output`, which is non-blocking, comes
 * what it writes to standard output, and to standard error if `errors` is -1
 * and not the descriptor for that. Returns 0 or an errno. */
int program_spawn(const char *const *argv, int errors, pid_t *pid, int *output);

/* false: it need not go on. */
typedef bool program_take(void *arg, const char *bytes, size_t len);

struct program {
	const char *const *argv; /* argv[0] is the absolute path */
	int input;               /* its standard input; 0: nothing */
	bool mixed;              /* standard error is part of the output */
	long seconds;            /* 0: a minute */
	program_take *take;      /* NULL: its output is of no interest */
	void *arg;
	int also; /* this exit status, without a fault, is as good as 0 */
};

/*
 * Runs it to its end and hands its output to `take`. One that says nothing for
 * so many seconds is killed, and so is one that stays for as long after it has
 * closed its output, or whose output `take` does not want. true: it ended well,
 * all of its standard output was taken, and `error` is its last line on
 * standard error, or empty. Else one line is in `error`, if possible that last
 * one; it stays as it is where `take` said no.
 */
bool program_run(const struct program *, char *error, size_t size);

/* The same without a `take`: what it has written comes in `*output`, which the
 * caller frees, also after false, and which is NULL where memory is short. */
bool program_output(
    const struct program *, char **output, char *error, size_t size);

/* The process is about to end: a program_run() of another thread, or below this
 * signal handler, gives up within a moment, and so does every later one. */
void program_abandon(void);
bool program_abandoned(void);

#endif
