/* SPDX-License-Identifier: ISC */
/*
 * Postfix's queue ids: short ones are microseconds and an inode in hexadecimal,
 * long ones (enable_long_queue_ids) seconds, microseconds and the inode, after
 * a 'z', in digits and letters without vowels. Neither form has room for
 * another argument of a command: no "ALL", no path, no option.
 */
#ifndef QUEUE_ID_H
#define QUEUE_ID_H

#include <stdbool.h>

enum { QUEUE_ID_MAX = 32 };

bool queue_id_valid(const char *text);

#endif
