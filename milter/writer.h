/* SPDX-License-Identifier: ISC */
/*
 * The thread that uses the databases. The server hands it its notes; those that
 * come within WRITER_GATHER_MS of the first, or while it writes others, share a
 * transaction, since a commit costs far more than a note. Notes that cannot be
 * written wait here, up to WRITER_ROOM bytes of them, and are tried again and
 * again. That some wait for long or are lost is marked (untagged.h), by the
 * thread as well: the server must not wait for a disk.
 *
 * So the tag of a message comes some milliseconds after its 250. Before odmrd
 * says to one who asks meanwhile that there is no mail, it compares the tags
 * with the queue, unless that was done lately.
 */
#ifndef WRITER_H
#define WRITER_H

#include "lib/conf.h"
#include "note.h"

enum {
	WRITER_GATHER_MS = 10,
	WRITER_STOP_MS = 1000,
	WRITER_ROOM = 64 << 20, /* some 100,000 messages to one recipient */
	WRITER_FAULT_SIZE = 512
};

/* `conf` is borrowed until the end. False: no thread, or no memory. */
bool writer_start(const struct conf *conf);
/* Goes on with the databases of `conf`, which it takes over: allocated by
 * malloc. */
void writer_reload(struct conf *conf);
/* Takes `note` over and sets it to NULL. False, with the reason, when there is
 * no room, or when it ends: `note` is still the caller's. */
bool writer_take(struct note **note, char why[WRITER_FAULT_SIZE]);
/* A message passed that will never get a tag from us. */
void writer_missed(void);
/* Writes what is here, for about WRITER_STOP_MS at most, and ends. False: a
 * disk that does not answer holds the thread, which still uses `conf`. */
bool writer_stop(void);

#endif
