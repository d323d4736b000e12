/* SPDX-License-Identifier: ISC */
/*
 * What of the set-up odmrd cannot be without. main.c starts with these, and -t
 * tries them all, as the user that odmrd becomes. But for start_load_tls and
 * start_look_at_database, each ends the program with the fault.
 */
#ifndef START_H
#define START_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/conf.h"
#include "odmrd/net/tls.h"

/* `*tls` is NULL where the configuration has none. False with one line in
 * `error`. */
bool start_load_tls(
    const struct conf *, struct tls **tls, char *error, size_t size);
struct tls *start_tls(const struct conf *);
uid_t start_postfix_uid(const struct conf *);
/* Those settings that their kind does not check. */
void start_check_values(const struct conf *);
void start_become_user(const struct conf *);
/* The directory becomes ours, for its sockets are bound by bare names. Returns
 * it, open. */
int start_enter_sockets(const struct conf *);
/* Behind both: may the user do there what it has to? */
void start_check_sockets(const struct conf *);

/* odmrd starts without, and customers come again: who starts it reads why. */
void start_look_at_database(const struct conf *);

/* Would it start? What `path` says, with directories, database, Postfix's
 * tables, certificate and key, as that user. Returns if so; changes nothing,
 * but that the process is this user then. */
void start_check(const struct conf *, const char *path);

#endif
