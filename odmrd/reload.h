/* SPDX-License-Identifier: ISC */
/*
 * SIGHUP: the configuration and the certificate are read anew. Sessions stay
 * as they are; what is new counts from their next step on. If one
 * of the files cannot be used, nothing changes, and the log says why. What
 * odmrd took hold of when it started (addresses, user, files, databases,
 * postqueue) takes a restart, and the log says so.
 */
#ifndef RELOAD_H
#define RELOAD_H

#include <stdbool.h>

struct server;

/* Remembers where the configuration is: odmrd will not stay in the directory
 * where it was started. False: out of memory, or there is no such file. */
bool reload_init(const char *path);
void reload(struct server *server);
/* Frees the configurations that came and went. */
void reload_free(void);

#endif
