/* SPDX-License-Identifier: ISC */
#ifndef VERSION_H
#define VERSION_H

/* Prints "PROGRAM (postfix-odmr) VERSION" to standard output, as --version has
 * it. The Makefile tells the version, from the file VERSION. */
void version_show(const char *program);

#endif
