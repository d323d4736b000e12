/* SPDX-License-Identifier: ISC */
/*
 * Asks one of Postfix's programs, with a question on its standard input or
 * none, and reads what it prints. It never takes longer than it may, and its
 * complaints are not mixed with its answer. Its arguments go into argv, no
 * shell is near them.
 */
#ifndef INQUIRY_H
#define INQUIRY_H

#include <stdbool.h>
#include <stddef.h>

enum { INQUIRY_ERROR_SIZE = 256 };

/* Some bytes of its standard output. */
typedef void inquiry_output(void *arg, const char *bytes, size_t len);

struct inquiry {
	const char *const *argv; /* argv[0] is the absolute path */
	int input;               /* its standard input; -1: nothing */
	int seconds;             /* then it is killed */
	inquiry_output *output;
	void *arg;
};

/*
 * Returns when it has ended. False if it could not be started, was killed or
 * did not exit with 0, or without a word with `also`; `error` then has one
 * line, its own last words if it had any. If true, `error` has what it warned
 * of, or nothing.
 */
bool inquiry_run(
    const struct inquiry *, int also, char error[INQUIRY_ERROR_SIZE]);

#endif
