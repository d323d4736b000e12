/* SPDX-License-Identifier: ISC */
/*
 * The thread that uses the databases. The server hands it its notes, and what
 * came while it wrote is the next transaction. Notes that cannot be written
 * wait here, up to WRITER_ROOM bytes of them, and are tried again and again.
 *
 * So that a customer finds the tag of a message whose 250 was given, the server
 * may wait until the note is written; `notify_fd` is an eventfd that becomes
 * readable then. It must not wait long: see server.h.
 */
#ifndef WRITER_H
#define WRITER_H

#include "conf.h"
#include "note.h"

enum {
	WRITER_QUICK_MS = 20,
	WRITER_STOP_MS = 1000,
	WRITER_ROOM = 64 << 20, /* some 100,000 messages to one recipient */
	WRITER_FAULT_SIZE = 512
};

/* `conf` is borrowed until the end. False: no thread, or no memory. */
bool writer_start(const struct conf *conf, int notify_fd);
/* Goes on with the databases of `conf`, which it takes over: allocated by
 * malloc. */
void writer_reload(struct conf *conf);
/* Takes `note` over, sets it to NULL and returns its number. 0, with the
 * reason, when there is no room, or when it ends: `note` is still the
 * caller's. */
uint64_t writer_take(struct note **note, char why[WRITER_FAULT_SIZE]);
/* Notes up to this number are written. `*quick`: the last ones were so within
 * WRITER_QUICK_MS. */
uint64_t writer_written(bool *quick);
/* Writes what is here, for about WRITER_STOP_MS at most, and ends. False: a
 * disk that does not answer holds the thread, which still uses `conf`. */
bool writer_stop(void);

#endif
