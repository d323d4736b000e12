/* SPDX-License-Identifier: ISC */
/* The standard streams, at the begin of a program and at its end. */
#ifndef STREAMS_H
#define STREAMS_H

#include <stdbool.h>

/*
 * For the begin of main(): standard streams that the caller has closed are
 * opened, in the direction that none is used in. What is opened later, a
 * connection or a file, would else be a standard stream, and get what is
 * printed. To use one is an error as before.
 */
void streams_occupy(void);

/* Writes out what was printed. False: not all of it could be written. */
bool streams_flush(void);

#endif
