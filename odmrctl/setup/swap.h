/* SPDX-License-Identifier: ISC */
/*
 * odmrctl setup: main.cf and master.cf are replaced as one. What is to become
 * of them is written down first, in CONFIG_DIR/odmr-setup:
 *
 *   pending/    a change in progress: main.cf.now and master.cf.now, as they
 *               were, main.cf.then and master.cf.then, as they are to be. While
 *               it is there, whoever comes next puts back what was.
 *   record/     what setup has done: main.cf.before and master.cf.before, for
 *               --undo, and main.cf.then and master.cf.then
 *   tmp/, record.old/   nothing that is needed any more, but for record.old/
 *               while pending/ is there and record/ is not
 *
 * A directory gets its name by one rename(2), when all in it is on the disk. So
 * a process that is killed, and a machine that goes down, leave a pending/ that
 * is whole, or none. Each file is replaced by rename(2), too. master.cf goes
 * first where our lines come, and last where they go: what is in between,
 * main.cf without our lines and master.cf with them, works.
 *
 * A link is followed, and stays; owner, mode and access control list stay.
 */
#ifndef SWAP_H
#define SWAP_H

#include <stdbool.h>
#include <stddef.h>

#define SWAP_DIRECTORY "odmr-setup"

enum swap_file { SWAP_MAIN, SWAP_MASTER, SWAP_FILES };

struct piece {
	char *text;
	size_t len;
};

struct swap {
	const char *directory; /* the configuration */
	struct piece now[SWAP_FILES], then[SWAP_FILES];
	struct piece before[SWAP_FILES]; /* what --undo is to bring back */
	bool undo;                       /* nothing of ours is left after it */
};

/* Keeps others out, as long as this process lives. EX_OK, or complains. */
int swap_lock(const char *directory);
/* A change of somebody who did not live to its end is to be taken back. */
bool swap_is_pending(const char *directory);
/* Takes it back; `*changed`: Postfix has to be told. EX_OK, or complains: with
 * both files as they were before this call. */
int swap_recover(const char *directory, bool *changed);

/* Reads a file whole. EX_OK, or complains: it is missing, or no plain file with
 * one name that we may replace. */
int swap_read(const char *path, struct piece *);
/* Of the record; false: there is none. */
bool swap_read_record(const char *directory, struct piece before[SWAP_FILES],
    struct piece then[SWAP_FILES]);

/* Writes everything down, and replaces the files. EX_OK, or complains, and
 * nothing has changed. */
int swap_apply(const struct swap *);
/* The change stays. */
int swap_commit(const struct swap *);

void swap_free_pieces(struct piece pieces[SWAP_FILES]);
/* With the plain files in it, and one level of directories. */
void swap_remove_directory(const char *path);

#endif
