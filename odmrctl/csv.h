/* SPDX-License-Identifier: ISC */
/*
 * Writes CSV (RFC 4180). Text is always quoted, everything but printable ASCII
 * in it comes out as \ooo, and where a spreadsheet would take it for a formula
 * it gets a ' in front.
 */
#ifndef CSV_H
#define CSV_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct csv {
	FILE *out;
	bool comma;
};

void csv_text(struct csv *, const char *text);
void csv_int(struct csv *, int64_t value);
void csv_end(struct csv *);

#endif
