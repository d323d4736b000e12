/* SPDX-License-Identifier: ISC */
/*
 * How long the machine is up, in seconds: the same for all its processes, and
 * nobody sets it as the time of day is set. A restart of the machine begins it
 * anew.
 */
#ifndef UPTIME_H
#define UPTIME_H

#include <stdint.h>

int64_t uptime(void);

#endif
