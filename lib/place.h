/* SPDX-License-Identifier: ISC */
#ifndef PLACE_H
#define PLACE_H

#include <stdbool.h>

/* Could this user make a file at `path`? False: errno tells why. A directory
 * below /run that is missing is made when the machine or the service starts,
 * and no reason. */
bool place_is_ours(const char *path);

#endif
