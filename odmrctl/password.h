/* SPDX-License-Identifier: ISC */
#ifndef PASSWORD_H
#define PASSWORD_H

enum { PASSWORD_MAX = 255, PASSWORD_SIZE = PASSWORD_MAX + 1 };

/* Reads the one line of standard input, or asks on a terminal. EX_OK, or
 * complains. The caller wipes `out` in either case. */
int password_read(char out[PASSWORD_SIZE]);

#endif
