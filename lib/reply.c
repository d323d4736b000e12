/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <string.h>

#include "reply.h"

static void
append(struct reply *reply, const char *text)
{
	if (reply->len > 0 && *text != '\0' && reply->len + 1 < REPLY_TEXT_SIZE)
		reply->text[reply->len++] = ' ';
	for (; *text != '\0' && reply->len + 1 < REPLY_TEXT_SIZE; text++)
		reply->text[reply->len++] =
		    isprint((unsigned char)*text) ? *text : '?';
	reply->text[reply->len] = '\0';
}

static int
parse_code(const char *line, size_t len)
{
	if (len < 3 || line[0] < '2' || line[0] > '5' ||
	    !isdigit((unsigned char)line[1]) ||
	    !isdigit((unsigned char)line[2]))
		return -1;
	return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

enum reply_result
reply_line(struct reply *reply, const char *line, size_t len)
{
	int code = parse_code(line, len);
	char mark = len > 3 ? line[3] : ' ';

	if (code == -1 || (mark != ' ' && mark != '-'))
		return REPLY_BAD;
	if (reply->lines > 0 && code != reply->code)
		return REPLY_BAD;
	if (++reply->lines > REPLY_LINES_MAX)
		return REPLY_BAD;
	reply->code = code;
	append(reply, len > 4 ? line + 4 : "");
	return mark == '-' ? REPLY_MORE : REPLY_DONE;
}

int
reply_class(const struct reply *reply)
{
	return reply->code / 100;
}
