/* SPDX-License-Identifier: ISC */
/*
 * The JSON (RFC 8259) that odmrctl writes: one object on one line, of values
 * and of lists, whose elements are written one by one, however many. A value is
 * Jansson's, and is taken; NULL is what it returns where memory is short, and
 * ends the program. Text that is no UTF-8 comes out with U+FFFD in its place,
 * so that the whole stays valid.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

struct json {
	FILE *out;
	bool comma;   /* the next item needs one in front */
	bool in_list; /* which ends with the next key */
};

void json_begin(struct json *, FILE *out);
/* What follows without a key are its elements. */
void json_list(struct json *, const char *key);
void json_put(struct json *, const char *key, json_t *value);
void json_end(struct json *);

/* NULL is null. */
json_t *json_text(const char *text);

/* What an array and an object have. */
void json_add(json_t *array, json_t *value);
void json_set(json_t *object, const char *key, json_t *value);
void json_set_text(json_t *object, const char *key, const char *text);
void json_set_int(json_t *object, const char *key, int64_t value);
void json_set_bool(json_t *object, const char *key, bool value);
/* Seconds since 1970 as "2024-05-01T12:00:00Z", 0 as null. */
void json_set_time(json_t *object, const char *key, int64_t when);
/* The lines of `text` as an array of strings. */
void json_set_lines(json_t *object, const char *key, const char *text);

#endif
