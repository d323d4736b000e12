/* SPDX-License-Identifier: ISC */
/*
 * The socket where the mail system finds the milter, in the syntax of
 * libmilter: "unix:/path" or "inet:port@host" ("local:" and "inet6:" as well).
 */
#ifndef SOCKET_H
#define SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

enum { SOCKET_ERROR_SIZE = 512 };

/* Is `name` well formed? If not, `error` says what is wrong with it. */
bool socket_check(const char *name, char error[SOCKET_ERROR_SIZE]);

/* Could this user have a socket there, as far as can be said without it? If
 * not, one line in `error`. */
bool socket_place_check(const char *name, char error[SOCKET_ERROR_SIZE]);

/*
 * Listens on `name`. The socket file of a process that is gone is removed, that
 * of a live one is not. A new one is open to its owner and to `group`, -1 for
 * the group that it is born with. After filter_register, and without root, to
 * whom what stands in the way would be a trap. False, and one line in `error`,
 * if that cannot be; libmilter's reason goes to syslog(3).
 */
bool socket_open(const char *name, gid_t group, char error[SOCKET_ERROR_SIZE]);
/* Connects, and leaves at once. False where that cannot be, as with an address
 * of the Internet. */
bool socket_knock(const char *name);
/* So that no more connections come. */
void socket_remove(const char *name);

#endif
