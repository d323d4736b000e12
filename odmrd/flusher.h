/* SPDX-License-Identifier: ISC */
/*
 * Flushing: runs "postqueue -s DOMAIN", a few at a time, without waiting for
 * it. A child that fails is logged with what it said; one that does not end is
 * killed and logged. The domain is canonical and goes into argv, no shell is
 * near it.
 */
#ifndef FLUSHER_H
#define FLUSHER_H

#include "conf.h"
#include "loop.h"

struct flusher;

/* NULL: out of memory, or SIGCHLD cannot be watched. */
struct flusher *flusher_new(struct loop *loop, const struct conf *conf);
void flusher_free(struct flusher **flusher);

/* `id` is the session for the log. */
void flusher_flush(struct flusher *flusher, const char *domain, const char *id);

#endif
