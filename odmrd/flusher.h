/* SPDX-License-Identifier: ISC */
/*
 * Flushing: runs "postqueue -s DOMAIN", a few at a time, without waiting for
 * it. A child that fails is logged with what it said, and tried once more; one
 * that does not end is killed and logged. Each domain has at most one run going
 * on and one that waits, whatever number was asked for: the one that waits
 * serves them all.
 */
#ifndef FLUSHER_H
#define FLUSHER_H

#include <stdbool.h>

#include "conf.h"
#include "loop.h"

struct flusher;

/* NULL: out of memory, or SIGCHLD cannot be watched. */
struct flusher *flusher_new(struct loop *loop, const struct conf *conf);
void flusher_free(struct flusher **flusher);

/* `id` is the session for the log. False: it cannot be started, which is
 * logged. */
bool flusher_flush(struct flusher *flusher, const char *domain, const char *id);

#endif
