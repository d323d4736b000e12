/* SPDX-License-Identifier: ISC */
/*
 * The JSON that every listing of odmrctl(8) has: one object on one line, in
 * which arrays of objects stand.
 */
#ifndef LIST_H
#define LIST_H

#include "json.h"
#include "odmrctl.h"

/* Writes the rows. `of`, if not NULL, says of what: a domain, a login. */
typedef enum store_result list_rows(
    struct store *, const char *of, struct json *json);

/* {"KEY":[rows]} */
int list_json(
    struct context *, const char *key, list_rows *rows, const char *of);
/* One of several arrays in an open object. */
int list_array(struct context *, struct json *json, const char *key,
    list_rows *rows, const char *of);

#endif
