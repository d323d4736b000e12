/* SPDX-License-Identifier: ISC */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

enum { STREAM_IN = 256 * 1024, STREAM_OUT = 16 * 1024 };

struct stream {
	int fd;
	SSL *ssl; /* NULL: in clear */
	size_t at, end, out_len;
	char in[STREAM_IN];
	char out[STREAM_OUT];
};

/* Takes the descriptor over. NULL when there is no memory. */
struct stream *stream_new(int fd);
void stream_free(struct stream **s);

/* Becomes the client of a TLS handshake, and trusts whoever answers. */
bool stream_start_tls(struct stream *s);

/* The next line without its end, to be used before the next call; NULL when
 * the connection has ended. */
char *stream_line(struct stream *s);

/* Up to `max` of the bytes that come next, which count as read; 0 when the
 * connection has ended. */
size_t stream_bytes(struct stream *s, size_t max, const char **bytes);

/* What is written goes out together, before the next wait for input. */
void stream_printf(struct stream *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
bool stream_flush(struct stream *s);

/* Seconds of CLOCK_MONOTONIC. */
double stream_clock(void);

#endif
