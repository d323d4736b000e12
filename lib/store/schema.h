/* SPDX-License-Identifier: ISC */
/*
 * The schemas of both databases as numbered steps. Step N of a list takes a
 * database from user_version N to N + 1; the lists end with NULL. A change to
 * a released schema is a new file sql/NAME-N.sql and a new line here.
 */
#ifndef SCHEMA_H
#define SCHEMA_H

extern const char *const schema_relay[];
extern const char *const schema_state[];

#endif
