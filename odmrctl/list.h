/* SPDX-License-Identifier: ISC */
/*
 * What the listings of odmrctl(8) have in common: {"KEY":[ROW,...]} with
 * --json, else a table below a heading.
 */
#ifndef LIST_H
#define LIST_H

#include "json.h"
#include "odmrctl.h"

/* Returns what the visitor of the rows gets: `json`, or the FILE of the table.
 */
void *list_begin(struct context *, const struct arguments *, struct json *json,
    const char *key, const char *heading, ...)
    __attribute__((format(printf, 5, 6)));
/* EX_OK, or complains of the store. */
int list_end(struct context *, void *rows, enum store_result);

#endif
