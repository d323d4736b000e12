/* SPDX-License-Identifier: ISC */
/* odmrctl setup: single files, written whole and on the disk. */
#ifndef SWAP_FILE_H
#define SWAP_FILE_H

#include "swap.h"

bool swap_is_same(const struct piece *, const struct piece *);
/* A file that is not there yet, with owner, mode and access control list of
 * `like`. False: see errno; nothing of it is left. */
bool swap_write(const char *path, const char *like, const struct piece *);
/* Owner, mode and access control list. */
bool swap_take_after(int fd, const char *like);
bool swap_load(const char *path, struct piece *);
/* In the place of the file, or of the one that this link leads to. EX_OK, or
 * complains. */
int swap_replace(const char *path, const struct piece *);
/* What an interrupted swap_replace has left. */
void swap_forget_new(
    const char *directory, const char *const *names, int count);
/* The directory that has `path` is on the disk. */
bool swap_sync_parent(const char *path);

#endif
