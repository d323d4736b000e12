/* SPDX-License-Identifier: ISC */
/*
 * Runs of a mode at the same time, such as a service's and one of cron(8): one
 * does the work, because two would start the same mail.
 */
#ifndef LOCK_H
#define LOCK_H

#include "lib/conf.h"

/*
 * Locks the file beside the state database whose name ends so. Returns a
 * descriptor, which is the lock, and which postqueue does not inherit; or -1
 * and what to exit with: EX_OK where another run has it, else the fault is
 * logged.
 */
int lock_take(const struct conf *conf, const char *suffix, int *code);

#endif
