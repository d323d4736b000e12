/* SPDX-License-Identifier: ISC */
/*
 * odmrctl setup: takes our parts out of main.cf and master.cf. A file that is
 * still as setup left it becomes what it was before, byte for byte. In one that
 * has been edited since, each of our settings and services that is as we left
 * it goes back, our words leave the lists that have others, and all else stays.
 */
#ifndef UNDO_H
#define UNDO_H

#include "setup.h"
#include "swap.h"

/* Changes setup->main and setup->master. What cannot be told apart is an
 * obstacle. */
void undo_merge(struct setup *, const struct piece before[SWAP_FILES],
    const struct piece then[SWAP_FILES]);

/* What there would be without us: for the record, when setup changes files that
 * have been edited since the last time. */
void undo_merge_into(const struct setup *,
    const struct piece before[SWAP_FILES], const struct piece then[SWAP_FILES],
    struct piece result[SWAP_FILES]);

/* Says what waits, and what would become of it. */
void undo_warn_of_held_mail(struct setup *);

#endif
