/* SPDX-License-Identifier: ISC */
/*
 * The sessions that run, as odmrctl's status and sessions show them: those that
 * have turned the line are in the database, those that have only logged in
 * odmrd tells. What an odmrd has left that was killed is not shown.
 */
#ifndef SESSIONS_H
#define SESSIONS_H

#include "json.h"
#include "odmrctl.h"

/* A session whose odmrd was killed has nobody left to take it off the list. */
bool session_is_alive(const struct session_row *session);

/* Both tell, where `strangers` is not NULL, how many connections there are that
 * have not logged in; -1: odmrd did not say. */

/* Writes the array "sessions" into the open object. */
int sessions_json(struct context *, struct json *json, int64_t *strangers);
/* Writes `before` and the table, or nothing if there is no session. */
int sessions_table(struct context *, const char *before, int64_t *strangers);

#endif
