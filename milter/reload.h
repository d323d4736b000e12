/* SPDX-License-Identifier: ISC */
/*
 * SIGUSR1: the configuration is read again. The databases are taken up; what a
 * running milter cannot change is named in the log and stays.
 */
#ifndef RELOAD_H
#define RELOAD_H

#include <stdbool.h>

#include "lib/conf.h"

/* Before the working directory changes. False: `path` cannot be resolved. */
bool reload_init(const char *path);
/* `started` is the configuration that the milter started with. A bad new one
 * changes nothing. */
void reload(const struct conf *started);
void reload_free(void);

#endif
