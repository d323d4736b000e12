/* SPDX-License-Identifier: ISC */
/*
 * The schema as numbered steps. Step N takes the database from user_version N
 * to N + 1; the list ends with NULL. A change to a released schema is a new
 * file sql/odmr-N.sql and a new line here.
 */
#ifndef SCHEMA_H
#define SCHEMA_H

extern const char *const schema[];

#endif
