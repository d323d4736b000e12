/* SPDX-License-Identifier: ISC */
/*
 * What has come over a link and is not used yet: INTAKE_SIZE bytes at most, in
 * one piece. An empty one holds no memory.
 */
#ifndef INTAKE_H
#define INTAKE_H

#include <stdbool.h>
#include <stddef.h>

enum { INTAKE_SIZE = 24 * 1024 };

/* A zeroed one is empty. */
struct intake {
	char *memory;
	size_t start, end;
};

static inline size_t
intake_length(const struct intake *in)
{
	return in->end - in->start;
}

static inline char *
intake_bytes(const struct intake *in)
{
	return in->memory + in->start;
}

/* Where more may be written, and how much. NULL: full, or out of memory. */
char *intake_room(struct intake *in, size_t *n);
/* So many bytes have been written there; 0 is fine. */
void intake_add(struct intake *in, size_t n);
/* So many from the start are used. */
void intake_use(struct intake *in, size_t n);

enum line_result {
	LINE_NONE, /* none is complete yet */
	LINE_OK,
	LINE_LONG, /* longer than `limit`, or than the intake, without its end
		    */
	LINE_BAD,  /* NUL, bare CR, or (unless lenient) bare LF */
};

/* The first line without its CRLF, as a string of `*len` bytes. It stays where
 * it is until the `*taken` bytes that it takes are used. */
enum line_result intake_line(struct intake *in, size_t limit, bool lenient,
    char **line, size_t *len, size_t *taken);

#endif
