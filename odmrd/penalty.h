/* SPDX-License-Identifier: ISC */
/*
 * The penalty for a failed AUTH: its reply is held back, the longer the more
 * often the client's address has failed, while the session takes no input and
 * all the others go on. Past auth_failure_limit the session ends with it.
 */
#ifndef PENALTY_H
#define PENALTY_H

#include <stdbool.h>

struct session;

/* AUTH has failed; the session is in SESSION_ASKING and will go on by itself.
 */
void penalty_begin(struct session *session);
/* May the client try AUTH at all? Otherwise the session has ended. */
bool penalty_allows(struct session *session);

#endif
