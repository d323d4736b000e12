/* SPDX-License-Identifier: ISC */
/*
 * Where a command's output goes when all went well. A file is replaced as a
 * whole: who reads it meanwhile gets the old one, and a failure leaves that.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stddef.h>

/* To standard output where `path` is NULL. A sysexits code, after complaining.
 */
int output_write(const char *path, const char *text, size_t len);

#endif
