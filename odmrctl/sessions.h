/* SPDX-License-Identifier: ISC */
/*
 * The sessions that run, as odmrctl's status and sessions show them. What an
 * odmrd has left that was killed is not shown.
 */
#ifndef SESSIONS_H
#define SESSIONS_H

#include "json.h"
#include "odmrctl.h"

/* A session whose odmrd was killed has nobody left to take it off the list. */
bool session_is_alive(const struct session_row *session);

/* A list_rows (list.h). */
enum store_result sessions_json(
    struct store *, const char *of, struct json *json);
/* Writes `before` and the table, or nothing if there is no session. */
int sessions_table(struct context *, const char *before);

#endif
