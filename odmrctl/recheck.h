/* SPDX-License-Identifier: ISC */
#ifndef RECHECK_H
#define RECHECK_H

#include "odmrctl.h"

/* Something was taken away, and the databases know: ends the sessions that had
 * it, and says so. EX_OK, also if no odmrd runs; or complains. */
int daemon_recheck(struct context *);

#endif
