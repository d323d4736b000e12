/* SPDX-License-Identifier: ISC */
/*
 * A thread that writes notes to the databases, so that whoever makes one waits
 * for no disk. Notes are written in their order; those that come within a while
 * of the first, or while others are written, share a transaction, since a
 * commit costs far more than a note. Notes that cannot be written wait here,
 * and are tried again and again.
 *
 * The role is what is written and who hears of it. Its functions are called in
 * the thread, without a lock.
 */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H

#include <stdbool.h>

#include "lib/conf.h"
#include "store.h"

enum { WRITER_FAULT_SIZE = 512 };

struct writer;

/* What every note begins with. All but `next` is set by who makes it. */
struct writer_note {
	struct writer_note *next;
	int64_t since; /* clock_ms() when it was made */
	size_t bytes;  /* that it takes in memory */
	size_t weight; /* a transaction has about 1000 of it: others want to
			* write, too */
};

struct writer_role {
	int busy_ms;   /* a wait for another process's lock */
	int gather_ms; /* a wait for others to share the transaction */
	int retry_ms;  /* after a fault */
	/* Called at the start, and where writer_call asks. */
	void (*called)(struct store *store, void *arg);
	/* Writes `first` and all behind it, or none of them; `*why` is then
	 * borrowed until the store is used again. */
	enum store_result (*write)(struct writer_note *first,
	    struct store *store, const char **why, void *arg);
	/* After a fault: is this one not to wait any longer? NULL: all wait. */
	bool (*expired)(const struct writer_note *note);
	/* Takes over what was written, has expired, or is left at the end. */
	void (*done)(struct writer_note *notes, void *arg);
	/* Notes have waited for some time. NULL: no matter. */
	void (*late)(void *arg);
};

/* `conf` and `arg` are borrowed until the end. NULL: no thread, or no memory.
 */
struct writer *writer_new(
    const struct conf *conf, const struct writer_role *role, void *arg);
/* Has role->called called. */
void writer_call(struct writer *writer);

/* Takes `note` over. An urgent one is waited for by someone. False, with the
 * reason, where all that wait would have more than `room` bytes, or when it
 * ends: the note is still the caller's. */
bool writer_put(struct writer *writer, struct writer_note *note, bool urgent,
    size_t room, char why[WRITER_FAULT_SIZE]);

/* Writes what is here, for about `ms` at most, and ends; *left is how many
 * notes were not written, and `why`. False: a disk that does not answer holds
 * the thread, which goes on to use `conf` and `arg`. */
bool writer_stop(
    struct writer **writer, int ms, size_t *left, char why[WRITER_FAULT_SIZE]);

#endif
