/* SPDX-License-Identifier: ISC */
#include <sys/socket.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <openssl/err.h>

#include "wire.h"

/* What one call writes at most, and the TLS records that it reads or writes, so
 * that one wire does not keep the others waiting; what a record carries. */
enum { WRITE_MAX = 256 * 1024, RECORDS_MAX = 64, RECORD_MAX = 16384 };

static enum wire_result
failed(struct wire *wire, const char *fault)
{
	wire->fault = fault;
	return WIRE_FAILED;
}

/* What OpenSSL's refusal means. Its error queue was empty before the call. */
static enum wire_result
tls_result(struct wire *wire, int returned)
{
	int saved = errno;
	unsigned long code;
	const char *text;

	if (flood_is_full(&wire->flood))
		return failed(wire, "too many TLS records without data");
	if (wire->flood.costly)
		return failed(wire, "certificate with an unusual key");
	switch (SSL_get_error(wire->ssl, returned)) {
	case SSL_ERROR_WANT_READ:
		return WIRE_WANTS_INPUT;
	case SSL_ERROR_WANT_WRITE:
		return WIRE_WANTS_OUTPUT;
	case SSL_ERROR_ZERO_RETURN:
		return WIRE_EOF;
	case SSL_ERROR_SYSCALL:
		return saved == 0 ? WIRE_EOF : failed(wire, strerror(saved));
	default:
		code = ERR_get_error();
		ERR_clear_error();
		/* Many peers just close: SMTP tells a whole message itself. */
		if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
			return WIRE_EOF;
		text = ERR_reason_error_string(code);
		return failed(wire, text != NULL ? text : "TLS error");
	}
}

static enum wire_result
socket_result(struct wire *wire, ssize_t n, enum wire_result wants)
{
	if (n > 0)
		return WIRE_OK;
	if (n == 0)
		return WIRE_EOF;
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
		return wants;
	return failed(wire, strerror(errno));
}

/* OpenSSL gives one record at a time. */
static enum wire_result
read_records(struct wire *wire, char *bytes, size_t size, size_t *n)
{
	size_t total = 0, got;
	unsigned records = 0;
	int ok = 0;

	while (total < size && records < RECORDS_MAX) {
		ERR_clear_error();
		errno = 0;
		ok = SSL_read_ex(wire->ssl, bytes + total, size - total, &got);
		if (ok != 1)
			break;
		total += got;
		records += wire->flood.seen;
		wire->flood.seen = 0;
	}
	*n = total;
	return total > 0 ? WIRE_OK : tls_result(wire, ok);
}

enum wire_result
wire_read(struct wire *wire, char *bytes, size_t size, size_t *n)
{
	ssize_t got;

	if (wire->ssl != NULL)
		return read_records(wire, bytes, size, n);
	got = read(wire->fd, bytes, size);
	*n = got > 0 ? (size_t)got : 0;
	return socket_result(wire, got, WIRE_WANTS_INPUT);
}

bool
wire_holds_input(const struct wire *wire)
{
	return wire->ssl != NULL &&
	    (SSL_pending(wire->ssl) > 0 ||
		(SSL_get_shutdown(wire->ssl) & SSL_RECEIVED_SHUTDOWN) != 0);
}

static size_t
record_length(const struct wire *wire, struct evbuffer *out)
{
	size_t len = evbuffer_get_length(out);
	struct evbuffer_ptr lf;

	if (wire->line_records) {
		lf = evbuffer_search(out, "\n", 1, NULL);
		if (lf.pos != -1)
			len = (size_t)lf.pos + 1;
	}
	return len < RECORD_MAX ? len : RECORD_MAX;
}

/* A record that OpenSSL could not send whole is offered again by the next
 * call, at the same length or longer, as it demands. */
static enum wire_result
write_records(struct wire *wire, struct evbuffer *out)
{
	size_t total = 0, len, n;

	for (int i = 0; i < RECORDS_MAX && total < WRITE_MAX &&
	     (len = record_length(wire, out)) > 0;
	     i++) {
		const unsigned char *bytes =
		    evbuffer_pullup(out, (ev_ssize_t)len);

		if (bytes == NULL)
			return failed(wire, "out of memory");
		ERR_clear_error();
		errno = 0;
		if (SSL_write_ex(wire->ssl, bytes, len, &n) != 1)
			return tls_result(wire, 0);
		evbuffer_drain(out, n);
		total += n;
	}
	return WIRE_OK;
}

enum wire_result
wire_write(struct wire *wire, struct evbuffer *out)
{
	if (evbuffer_get_length(out) == 0)
		return WIRE_OK;
	if (wire->ssl != NULL)
		return write_records(wire, out);
	return socket_result(wire,
	    evbuffer_write_atmost(out, wire->fd, WRITE_MAX), WIRE_WANTS_OUTPUT);
}

bool
wire_secure(struct wire *wire, SSL *ssl)
{
	wire->ssl = ssl;
	SSL_set_mode(ssl,
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (SSL_set_fd(ssl, wire->fd) != 1)
		return false;
	flood_watch(&wire->flood, ssl);
	return true;
}

enum wire_result
wire_handshake(struct wire *wire)
{
	int done;

	ERR_clear_error();
	errno = 0;
	done = SSL_do_handshake(wire->ssl);
	if (done != 1)
		return tls_result(wire, done);
	wire->flood.seen = 0;
	return WIRE_OK;
}

void
wire_shut(struct wire *wire)
{
	if (wire->ssl != NULL && SSL_is_init_finished(wire->ssl)) {
		SSL_shutdown(wire->ssl);
		ERR_clear_error();
	}
	shutdown(wire->fd, SHUT_WR);
}

void
wire_close(struct wire *wire)
{
	SSL_free(wire->ssl);
	wire->ssl = NULL;
	close(wire->fd);
	wire->fd = -1;
}
