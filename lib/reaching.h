/* SPDX-License-Identifier: ISC */
/*
 * Connections to what should be running on this host: each call waits for
 * a few seconds at most.
 */
#ifndef REACHING_H
#define REACHING_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/address.h"

enum { REACHING_ERROR_SIZE = 256, REACHING_FORBIDDEN = -2 };

/* A connected socket, or -1 with one line in `error`, or REACHING_FORBIDDEN:
 * this user may not. `seconds` holds for each read and write too. */
int reaching_address(
    const struct address *, int seconds, char error[REACHING_ERROR_SIZE]);
/* The same for a milter's socket, named as milter_socket names it. */
int reaching_socket(
    const char *name, int seconds, char error[REACHING_ERROR_SIZE]);

/* All of `size` bytes; false at the end and when it takes too long. */
bool reaching_read(int fd, void *bytes, size_t size);

#endif
