/* SPDX-License-Identifier: ISC */
/*
 * A blocking connection with buffers, plain or TLS. It is made to cost little:
 * one read takes all that has come, and replies to pipelined commands leave in
 * one write. It must not be what a measurement finds to be slow.
 */
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "stream.h"

struct stream *
stream_new(int fd)
{
	struct stream *s = malloc(sizeof(*s));
	int on = 1;

	if (s == NULL) {
		close(fd);
		return NULL;
	}
	/* Fails on a unix socket, which needs it not. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	s->fd = fd;
	s->ssl = NULL;
	s->at = s->end = s->out_len = 0;
	return s;
}

void
stream_free(struct stream **s)
{
	if (*s == NULL)
		return;
	SSL_free((*s)->ssl);
	close((*s)->fd);
	free(*s);
	*s = NULL;
}

bool
stream_start_tls(struct stream *s)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL)
		return false;
	s->ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	return s->ssl != NULL && SSL_set_fd(s->ssl, s->fd) == 1 &&
	    SSL_connect(s->ssl) == 1;
}

static ssize_t
send_some(struct stream *s, const char *bytes, size_t n)
{
	if (s->ssl != NULL)
		return SSL_write(s->ssl, bytes, (int)n);
	return send(s->fd, bytes, n, MSG_NOSIGNAL);
}

bool
stream_flush(struct stream *s)
{
	size_t sent = 0;
	ssize_t n;

	while (sent < s->out_len) {
		n = send_some(s, s->out + sent, s->out_len - sent);
		if (n <= 0)
			return false;
		sent += (size_t)n;
	}
	s->out_len = 0;
	return true;
}

/* Reads more behind what is there, which moves to the front if it must. */
static bool
fill(struct stream *s)
{
	size_t room;
	ssize_t n;

	if (!stream_flush(s))
		return false;
	if (s->at == s->end)
		s->at = s->end = 0;
	else if (s->end == STREAM_IN) {
		memmove(s->in, s->in + s->at, s->end - s->at);
		s->end -= s->at;
		s->at = 0;
	}
	room = STREAM_IN - s->end;
	if (room == 0)
		return false;
	if (s->ssl != NULL)
		n = SSL_read(s->ssl, s->in + s->end, (int)room);
	else
		n = recv(s->fd, s->in + s->end, room, 0);
	if (n <= 0)
		return false;
	s->end += (size_t)n;
	return true;
}

char *
stream_line(struct stream *s)
{
	char *line, *lf;

	for (;;) {
		line = s->in + s->at;
		lf = memchr(line, '\n', s->end - s->at);
		if (lf != NULL)
			break;
		if (!fill(s))
			return NULL;
	}
	s->at = (size_t)(lf - s->in) + 1;
	if (lf > line && lf[-1] == '\r')
		lf--;
	*lf = '\0';
	return line;
}

size_t
stream_bytes(struct stream *s, size_t max, const char **bytes)
{
	size_t n;

	if (s->at == s->end && !fill(s))
		return 0;
	n = s->end - s->at < max ? s->end - s->at : max;
	*bytes = s->in + s->at;
	s->at += n;
	return n;
}

void
stream_printf(struct stream *s, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		abort();
	if (s->out_len + (size_t)n > STREAM_OUT && !stream_flush(s))
		s->out_len = 0; /* the next read tells that it is over */
	memcpy(s->out + s->out_len, text, (size_t)n);
	s->out_len += (size_t)n;
}

double
stream_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}
