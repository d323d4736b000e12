/* SPDX-License-Identifier: ISC */
/*
 * File descriptors: a session takes one for its line, one for the socket of
 * each domain that it collects, and one for each of Postfix's deliveries.
 */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

#include "lib/conf.h"

/* Raises the limit of open files to what session_limit may need, or says in
 * the log what is short. To be called while still root. */
void descriptors_raise(const struct conf *conf);

#endif
