/* SPDX-License-Identifier: ISC */
/*
 * One run over the mail log (mail_log.h): where its lines are, and what becomes
 * of them. A follow_ function fills the chunk with whole lines, sets the
 * position behind them, and has them settled.
 */
#ifndef FOLLOWER_H
#define FOLLOWER_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "lib/store/store.h"

/* Read, and settled in one transaction, at a time. */
enum { FOLLOWER_CHUNK_SIZE = 128 * 1024 };

struct follower {
	const struct conf *conf;
	const char *path; /* or "journal" */
	struct store *store;
	struct settled *settled;
	char *chunk;
	time_t now;
	struct log_position position;
	struct log_position saved; /* what the database has for position */
	bool overtaken;            /* by another process that reads the log */
	char *error;
	size_t error_size;
};

/* From f->position to the end. */
bool follow_file(struct follower *);
bool follow_journal(struct follower *);

/* The lines in the first `len` bytes of the chunk, all or nothing, after what
 * was kept. false: it failed, or another process was first. */
bool follower_settle(struct follower *, size_t len);
/* Returns false. */
bool follower_fail(struct follower *, const char *path, const char *why);
/* Some of the log is gone. What it may have told is left to the comparison with
 * the queue. */
void follower_warn(const char *path, const char *why);

#endif
