/* SPDX-License-Identifier: ISC */
/*
 * Starting postqueue(1): see program.h.
 */
#ifndef POSTQUEUE_H
#define POSTQUEUE_H

#include <sys/types.h>

#include "lib/conf.h"
#include "program.h"

/*
 * Runs "postqueue -c DIRECTORY OPTION [OPERAND]": "-s" with a canonical domain,
 * "-i" with a queue id (EINVAL if it is none), "-j" with NULL. From
 * `*output`, which is non-blocking, comes what it writes to standard output,
 * and, but for "-j", to standard error: there Postfix's complaints about its
 * configuration, which it logs as well, are no part of the list. Returns 0 or
 * an errno.
 */
int postqueue_spawn(const struct conf *conf, const char *option,
    const char *operand, pid_t *pid, int *output);

/* "postqueue -j". Blocks until it ends: see program_run. */
bool postqueue_list(const struct conf *conf, program_take *take, void *arg,
    char *error, size_t size);

/* "postqueue -s DOMAIN". Blocks until it ends, or for flush_timeout. */
bool postqueue_flush(
    const struct conf *conf, const char *domain, char *error, size_t size);

#endif
