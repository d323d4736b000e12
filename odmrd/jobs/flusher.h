/* SPDX-License-Identifier: ISC */
/*
 * Flushing: runs "postqueue -s DOMAIN" and "postqueue -i ID", a few at a time,
 * without waiting for it. A child that fails is logged with what it said, and
 * tried once more; one that does not end is killed and logged.
 *
 * Who asks stands in a line, and the lines take turns: a session with hundreds
 * of domains costs the next one a moment. In a line each domain or id waits
 * only once, whatever number was asked for, and has one run going on: the one
 * that waits serves them all.
 */
#ifndef FLUSHER_H
#define FLUSHER_H

#include <stdbool.h>

#include "lib/conf.h"
#include "odmrd/net/loop.h"

struct flusher;
struct flush_line;

/* NULL: out of memory, or SIGCHLD cannot be watched. */
struct flusher *flusher_new(struct loop *loop, const struct conf *conf);
void flusher_free(struct flusher **flusher);

/* In the line of all who do not wait for it. `id` is the session for the log.
 * False: it cannot be started, which is logged. */
bool flusher_flush(struct flusher *flusher, const char *domain, const char *id);

/* The line of session `id`, which is borrowed. `ran` is called from the loop,
 * never within another call, when all that was asked for has ended, or could
 * not begin. NULL: out of memory. */
struct flush_line *flush_line_new(
    struct flusher *flusher, const char *id, loop_call *ran, void *arg);
/* What waits is given up, what runs goes on; `ran` is not called any more. */
void flush_line_free(struct flush_line **line);
/* As flusher_flush; one message. */
bool flush_line_add(struct flush_line *line, const char *domain);
bool flush_line_add_message(struct flush_line *line, const char *queue_id);
/* The last that was asked for could be started. */
bool flush_line_works(const struct flush_line *line);
/* Nothing of it waits or runs. */
bool flush_line_is_idle(const struct flush_line *line);

#endif
