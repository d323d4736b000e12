/* SPDX-License-Identifier: ISC */
/*
 * Tables for people: 80 columns wide. A name that is too long for its column
 * gets a line of its own, it is never cut. What came from a peer is written
 * with everything but printable ASCII as \ooo: it must not steer a terminal.
 */
#ifndef TABLE_H
#define TABLE_H

#include <stdint.h>
#include <stdio.h>

enum { TABLE_TIME_SIZE = 32, TABLE_CELL_SIZE = 48 };

/* "2024-05-01T12:00:00Z"; "-" for 0. Returns `out`, as the next do. */
const char *table_time(int64_t when, char out[TABLE_TIME_SIZE]);
/* In its two largest units: "3d4h". */
const char *table_duration(int64_t seconds, char out[TABLE_CELL_SIZE]);
/* How long ago, in its two largest units: "3d4h"; "-" for 0. */
const char *table_age(int64_t when, char out[TABLE_CELL_SIZE]);
/* Bytes in at most four characters: "512B", "4.0K", "25M". */
const char *table_size(int64_t bytes, char out[TABLE_CELL_SIZE]);
/* A number in at most `width` characters, 6 or more: "123456", "1234k". */
const char *table_count(int64_t count, int width, char out[TABLE_CELL_SIZE]);

void table_name(FILE *out, const char *name, int width);
void table_text(FILE *out, const char *text);
/* Breaks lines that would pass the 80th column, at a blank where there is one
 * near; ends with a newline. */
void table_paragraph(FILE *out, const char *text, const char *indent);
/* `len` bytes and a newline. */
void table_line(FILE *out, const char *text, size_t len, const char *indent);
/* The lines of `text`, each indented. */
void table_lines(FILE *out, const char *text, const char *indent);

#endif
