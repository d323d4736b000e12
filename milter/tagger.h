/* SPDX-License-Identifier: ISC */
/*
 * Has the notes written by a thread of its own (lib/store/writer.h):
 * libmilter's must not wait for a disk. That some wait for long or are lost is
 * marked (untagged.h), by that thread as well.
 *
 * So the tag of a message comes some milliseconds after its 250. Before odmrd
 * says to one who asks meanwhile that there is no mail, it compares the tags
 * with the queue, unless that was done lately.
 */
#ifndef TAGGER_H
#define TAGGER_H

#include "lib/conf.h"
#include "lib/store/writer.h"
#include "note.h"

/* `conf` is borrowed until the end. False: no thread, or no memory. */
bool tagger_start(const struct conf *conf);
/* Goes on with the databases of `conf`, which it takes over. What the old ones
 * do not take within a second is lost. */
void tagger_reload(struct conf *conf);
/* Takes `note` over and sets it to NULL. False, with the reason, when there is
 * no room, or when it ends: `note` is still the caller's. */
bool tagger_take(struct note **note, char why[WRITER_FAULT_SIZE]);
/* A message passed that will never get a tag from us. */
void tagger_missed(void);
/* Writes what is here, for a second or so, and ends. False: a disk that does
 * not answer holds the thread, which still uses `conf`. */
bool tagger_stop(void);

#endif
