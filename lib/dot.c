/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "dot.h"

/* The state after a byte of content. */
static enum dot_state
after(enum dot_state state, char c)
{
	if (c == '\r')
		return DOT_CR;
	return c == '\n' && state == DOT_CR ? DOT_BOL : DOT_TEXT;
}

/* Copies up to and including the next CR, the only byte that matters within
 * a line. */
static size_t
copy_text(const char *in, size_t n, char *out)
{
	const char *cr = memchr(in, '\r', n);
	size_t len = cr != NULL ? (size_t)(cr - in) : n;

	memcpy(out, in, len);
	return len;
}

size_t
dot_decode(
    struct dot *dot, const char *in, size_t n, char *out, size_t *written)
{
	size_t i = 0, o = 0, run;

	while (i < n && dot->state != DOT_END) {
		char c = in[i];

		switch (dot->state) {
		case DOT_TEXT:
			run = copy_text(in + i, n - i, out + o);
			i += run;
			o += run;
			if (i < n) {
				out[o++] = in[i++];
				dot->state = DOT_CR;
			}
			continue;
		case DOT_BOL:
			if (c == '.') {
				dot->state = DOT_DOT;
				i++;
				continue;
			}
			break;
		case DOT_DOT:
			/* The dot goes, whatever follows it. */
			if (c == '\r') {
				dot->state = DOT_DOT_CR;
				i++;
				continue;
			}
			break;
		case DOT_DOT_CR:
			if (c == '\n') {
				dot->state = DOT_END;
				i++;
				continue;
			}
			out[o++] = '\r';
			break;
		case DOT_CR:
		case DOT_END:
			break;
		}
		dot->state = after(dot->state, c);
		out[o++] = c;
		i++;
	}
	*written = o;
	return i;
}

size_t
dot_encode(struct dot *dot, const char *in, size_t n, bool *stuff)
{
	const char *cr;
	size_t i = 0;

	*stuff = n > 0 && dot->state == DOT_BOL && in[0] == '.';
	while (i < n) {
		if (i > 0 && dot->state == DOT_BOL && in[i] == '.')
			break;
		if (dot->state == DOT_TEXT) {
			cr = memchr(in + i, '\r', n - i);
			if (cr == NULL)
				return n;
			i = (size_t)(cr - in);
		}
		dot->state = after(dot->state, in[i]);
		i++;
	}
	return i;
}

const char *
dot_terminator(const struct dot *dot)
{
	return dot->state == DOT_BOL ? ".\r\n" : "\r\n.\r\n";
}
