/* SPDX-License-Identifier: ISC */
/*
 * Transparency of RFC 5321 4.5.2: the leading dots of a message's lines. Only
 * CRLF ends a line here; a bare CR or LF is content, and CRLF.CRLF alone ends
 * the message.
 */
#ifndef DOT_H
#define DOT_H

#include <stdbool.h>
#include <stddef.h>

enum dot_state { DOT_BOL, DOT_TEXT, DOT_CR, DOT_DOT, DOT_DOT_CR, DOT_END };

/* A zeroed struct dot stands at the beginning of a message. */
struct dot {
	enum dot_state state;
};

/*
 * Takes the dots out of `n` bytes as they came over the wire and writes the
 * content to `out`, which has room for n + 1 bytes. Stops behind the end of
 * the message (state DOT_END). Returns how many bytes it used up.
 */
size_t dot_decode(
    struct dot *dot, const char *in, size_t n, char *out, size_t *written);

/*
 * The other way: returns the length of the leading run of `in` that goes on
 * the wire as it is; `*stuff` tells that a dot goes in front of it.
 */
size_t dot_encode(struct dot *dot, const char *in, size_t n, bool *stuff);

/* What ends the message on the wire, given the content so far. */
const char *dot_terminator(const struct dot *dot);

#endif
