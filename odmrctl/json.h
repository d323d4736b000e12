/* SPDX-License-Identifier: ISC */
/*
 * Writes JSON (RFC 8259). The writer sets the commas; the caller opens and
 * closes in pairs. `key` is NULL within an array. Text that is no UTF-8 comes
 * out with U+FFFD in its place, so that the whole stays valid.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *out;
	bool comma; /* the next item needs one in front */
};

/* `bracket` is '{' or '['; json_close gets its partner. */
void json_open(struct json *, const char *key, char bracket);
void json_close(struct json *, char bracket);

/* NULL is null. */
void json_text(struct json *, const char *key, const char *text);
void json_int(struct json *, const char *key, int64_t value);
void json_bool(struct json *, const char *key, bool value);
/* Seconds since 1970 as "2024-05-01T12:00:00Z", 0 as null. */
void json_time(struct json *, const char *key, int64_t when);
/* The lines of `text` as an array of strings. */
void json_lines(struct json *, const char *key, const char *text);

#endif
