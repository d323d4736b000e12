/* SPDX-License-Identifier: ISC */
/*
 * An SMTP reply (RFC 5321 4.2), put together line by line. The lines' texts
 * are joined by a space, cut at a bound, and made printable: a reply ends up
 * in other people's logs and notices.
 */
#ifndef REPLY_H
#define REPLY_H

#include <stddef.h>

enum { REPLY_TEXT_SIZE = 512, REPLY_LINES_MAX = 128 };

struct reply {
	int code;
	unsigned lines;
	size_t len;
	char text[REPLY_TEXT_SIZE];
};

enum reply_result { REPLY_MORE, REPLY_DONE, REPLY_BAD };

/* A zeroed reply takes its first line. After REPLY_DONE the caller zeroes it;
 * REPLY_BAD: no reply, changing codes, or too many lines. */
enum reply_result reply_line(struct reply *reply, const char *line, size_t len);

/* 2 for 250, and so on. */
int reply_class(const struct reply *reply);

#endif
