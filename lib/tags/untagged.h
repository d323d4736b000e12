/* SPDX-License-Identifier: ISC */
/*
 * A mark beside the database: mail may have passed without a tag, and when. It
 * is the time of an empty file, since the database may be what is broken, and
 * to set a time needs no room on the disk.
 *
 * The milter marks, when it starts (mail may have come while there was none)
 * and when tags wait for long or are lost. It never takes the mark away: tags
 * that were compared with the queue later are right again.
 */
#ifndef UNTAGGED_H
#define UNTAGGED_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/conf.h"

/* Now. False: see errno. */
bool untagged_mark(const struct conf *conf);

/* May mail have got into the queue without a tag since `when`? Yes, if that
 * cannot be known. */
bool untagged_since(const struct conf *conf, int64_t when);

#endif
