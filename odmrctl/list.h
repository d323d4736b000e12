/* SPDX-License-Identifier: ISC */
/* {"KEY":[ROW,...]}, the JSON that most listings of odmrctl(8) have. */
#ifndef LIST_H
#define LIST_H

#include "json.h"
#include "odmrctl.h"

/* Puts the rows. `of`, if not NULL, says of what: a domain, a login. */
typedef enum store_result list_rows(
    struct store *, const char *of, struct json *json);

int list_json(
    struct context *, const char *key, list_rows *rows, const char *of);

#endif
