/* SPDX-License-Identifier: ISC */
/*
 * Giving up root. A daemon opens what only root may open, then becomes its own
 * user for good and can never gain a privilege again, not by setuid programs
 * either. Without root only the latter is done.
 *
 * A tool that needs root again lays it off for as long as it has to do with
 * what belongs to that user. Then links lead it no further than him, and no
 * program that it runs can be root again; the process itself can.
 */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Becomes `user`, with the groups that are its own and `extra` as the only
 * other one. False, with one line in `error`, if that cannot be. */
bool privileges_drop(const char *user, gid_t extra, char *error, size_t size);
/* One more, from the next drop or laying off on. */
void privileges_with_group(gid_t group);

/* The same for a while, and nothing at all without root. */
bool privileges_lay_off(
    const char *user, gid_t extra, char *error, size_t size);
/* Root again, where it was laid off. */
void privileges_take_up(void);

#endif
