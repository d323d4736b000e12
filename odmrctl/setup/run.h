/* SPDX-License-Identifier: ISC */
/* odmrctl setup: the moment in which Postfix changes. */
#ifndef RUN_H
#define RUN_H

#include "setup.h"
#include "swap.h"

/* Replaces both files, has postfix(1) check them, and reload if it runs. EX_OK,
 * or complains, and all is as it was. No signal but KILL ends it meanwhile. */
int run_swap(struct setup *, const struct swap *);
/* Takes back what an earlier one did not end. EX_OK, or complains. */
int run_recover(struct setup *);

#endif
