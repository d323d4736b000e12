/* SPDX-License-Identifier: ISC */
/*
 * The one thread that uses the databases. The threads of SMTP sessions hand it
 * their notes, and what came meanwhile it writes in one transaction.
 *
 * So that a customer finds the tag of a message whose 250 was given, a session
 * waits until its note is written, but only while the databases are quick:
 * WRITER_WAIT_MS at the worst, and once that was not enough, nobody waits until
 * they are quick again. Notes that cannot be written wait here and are tried
 * again and again, up to WRITER_ROOM bytes of them.
 */
#ifndef WRITER_H
#define WRITER_H

#include "conf.h"
#include "note.h"

enum {
	WRITER_WAIT_MS = 20,
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
/* Writes what is here, for WRITER_STOP_MS at most, and ends. */
void writer_stop(void);

#endif
