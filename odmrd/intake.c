/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "intake.h"

char *
intake_room(struct intake *in, size_t *n)
{
	size_t length = intake_length(in);

	if (in->memory == NULL && (in->memory = malloc(INTAKE_SIZE)) == NULL)
		return NULL;
	if (in->start > 0)
		memmove(in->memory, intake_bytes(in), length);
	in->start = 0;
	in->end = length;
	*n = INTAKE_SIZE - length;
	return *n > 0 ? in->memory + length : NULL;
}

void
intake_add(struct intake *in, size_t n)
{
	in->end += n;
	intake_use(in, 0);
}

void
intake_use(struct intake *in, size_t n)
{
	in->start += n;
	if (in->start < in->end)
		return;
	free(in->memory);
	*in = (struct intake) { 0 };
}
