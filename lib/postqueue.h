/* SPDX-License-Identifier: ISC */
/*
 * Starting postqueue(1). Its arguments go into argv, no shell is near them.
 */
#ifndef POSTQUEUE_H
#define POSTQUEUE_H

#include <sys/types.h>

#include "conf.h"

/*
 * Runs "postqueue -c DIRECTORY OPTION [OPERAND]"; `operand` may be NULL. From
 * `*output`, which is non-blocking, comes what it writes to standard output and
 * standard error. Returns 0 or an errno.
 */
int postqueue_spawn(const struct conf *conf, const char *option,
    const char *operand, pid_t *pid, int *output);

#endif
