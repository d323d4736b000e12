/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "records.h"

/* One copy for all lines of a call; the last one that is sent frees it. */
struct block {
	size_t lines;
	char bytes[];
};

static void
release(const void *data, size_t len, void *arg)
{
	struct block *block = arg;

	(void)data;
	(void)len;
	if (--block->lines == 0)
		free(block);
}

static size_t
line_length(const char *bytes, size_t n)
{
	const char *lf = memchr(bytes, '\n', n);

	return lf != NULL ? (size_t)(lf - bytes) + 1 : n;
}

void
records_add(struct evbuffer *out, const char *bytes, size_t n)
{
	struct block *block = n > 0 ? malloc(sizeof(*block) + n) : NULL;
	size_t at, len;

	if (block == NULL) {
		evbuffer_add(out, bytes, n);
		return;
	}
	memcpy(block->bytes, bytes, n);
	block->lines = 1; /* ours, until all are added */
	for (at = 0; at < n; at += len) {
		len = line_length(block->bytes + at, n - at);
		block->lines++;
		if (evbuffer_add_reference(
			out, block->bytes + at, len, release, block) == 0)
			continue;
		block->lines--;
		evbuffer_add(out, block->bytes + at, len);
	}
	release(NULL, 0, block);
}
