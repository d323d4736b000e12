/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "lib/clock.h"
#include "lib/network.h"
#include "wire.h"

static bool fail(struct wire *wire, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Returns false, so that a caller can return what this returns. */
static bool
fail(struct wire *wire, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(wire->fault, sizeof(wire->fault), fmt, ap);
	va_end(ap);
	return false;
}

/* Waits for `events`. */
static bool
await(struct wire *wire, short events, int64_t until)
{
	struct pollfd pfd = { .fd = wire->fd, .events = events };
	int64_t left;
	int n;

	while ((left = until - clock_ms()) > 0) {
		n = poll(&pfd, 1, (int)left);
		if (n > 0)
			return true;
		if (n == -1 && errno != EINTR)
			return fail(wire, "%s", strerror(errno));
	}
	return fail(wire, "no answer in time");
}

/* ---- the connection ---------------------------------------------------- */

bool
wire_take(struct wire *wire, int fd)
{
	*wire = (struct wire) { .fd = fd };
	return fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
}

void
wire_close(struct wire *wire)
{
	SSL_free(wire->ssl);
	wire->ssl = NULL;
	if (wire->fd >= 0)
		close(wire->fd);
	wire->fd = -1;
}

/* ---- TLS --------------------------------------------------------------- */

static bool
fail_tls(struct wire *wire)
{
	unsigned long error = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(error);

	ERR_clear_error();
	return fail(
	    wire, "TLS: %s", reason != NULL ? reason : "connection closed");
}

/* Waits for what a TLS call wants that returned `result`. */
static bool
await_tls(struct wire *wire, int result, int64_t until)
{
	if (flood_is_full(&wire->flood))
		return fail(wire, "TLS: too many records without data");
	if (wire->flood.costly)
		return fail(wire, "TLS: certificate with an unusual key");
	switch (SSL_get_error(wire->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return await(wire, POLLIN, until);
	case SSL_ERROR_WANT_WRITE:
		return await(wire, POLLOUT, until);
	default:
		return fail_tls(wire);
	}
}

/* The name is checked in any case; what follows from it is for wire_encrypt to
 * say. It holds for addresses too. */
static SSL *
new_connection(const struct wire *wire, const char *host, bool verify)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct network address;
	SSL *ssl = NULL;

	if (ctx == NULL)
		return NULL;
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
	    SSL_CTX_set_default_verify_paths(ctx) == 1)
		ssl = SSL_new(ctx);
	SSL_CTX_free(ctx); /* the connection holds it */
	if (ssl == NULL)
		return NULL;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	SSL_set_verify(ssl, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	/* RFC 6066 3: no address as a server's name. */
	if (SSL_set1_host(ssl, host) == 1 && SSL_set_fd(ssl, wire->fd) == 1 &&
	    (network_of_address(host, &address) ||
		SSL_set_tlsext_host_name(ssl, host) == 1))
		return ssl;
	SSL_free(ssl);
	return NULL;
}

bool
wire_encrypt(struct wire *wire, const char *host, bool verify, int64_t until)
{
	long trust;
	int result;

	ERR_clear_error();
	wire->ssl = new_connection(wire, host, verify);
	if (wire->ssl == NULL)
		return fail_tls(wire);
	flood_watch(&wire->flood, wire->ssl);
	while ((result = SSL_connect(wire->ssl)) != 1) {
		trust = SSL_get_verify_result(wire->ssl);
		if (verify && trust != X509_V_OK)
			return fail(wire, "its certificate is not accepted: %s",
			    X509_verify_cert_error_string(trust));
		if (!await_tls(wire, result, until))
			return false;
	}
	wire->flood.seen = 0;
	wire->verified = SSL_get0_peer_certificate(wire->ssl) != NULL &&
	    SSL_get_verify_result(wire->ssl) == X509_V_OK;
	return true;
}

/* TLS 1.2 without the extended master secret is open to an attack in which two
 * connections have the same Finished messages (RFC 7627 1). */
bool
wire_binding(struct wire *wire, struct wire_binding *out)
{
	static const char label[] = "EXPORTER-Channel-Binding";

	if (wire->ssl == NULL)
		return false;
	out->exporter = SSL_version(wire->ssl) >= TLS1_3_VERSION;
	if (out->exporter) {
		out->len = 32;
		return SSL_export_keying_material(wire->ssl, out->bytes,
			   out->len, label, strlen(label), NULL, 0, 0) == 1;
	}
	/* The first Finished message: ours, since nothing is resumed. */
	out->len = SSL_get_finished(wire->ssl, out->bytes, sizeof(out->bytes));
	return SSL_get_extms_support(wire->ssl) == 1 && out->len > 0 &&
	    out->len <= sizeof(out->bytes);
}

/* ---- bytes ------------------------------------------------------------- */

static size_t
read_tls(struct wire *wire, char *bytes, size_t size, int64_t until)
{
	size_t n;

	ERR_clear_error();
	while (clock_ms() < until) {
		if (SSL_read_ex(wire->ssl, bytes, size, &n) == 1) {
			wire->flood.seen = 0;
			return n;
		}
		if (!await_tls(wire, 0, until))
			return 0;
	}
	fail(wire, "no answer in time");
	return 0;
}

size_t
wire_read(struct wire *wire, char *bytes, size_t size, int64_t until)
{
	ssize_t n;

	if (wire->ssl != NULL)
		return read_tls(wire, bytes, size, until);
	while (await(wire, POLLIN, until)) {
		n = recv(wire->fd, bytes, size, 0);
		if (n > 0)
			return (size_t)n;
		if (n == 0) {
			fail(wire, "connection closed");
			return 0;
		}
		if (errno != EAGAIN && errno != EINTR) {
			fail(wire, "%s", strerror(errno));
			return 0;
		}
	}
	return 0;
}

static bool
write_tls(struct wire *wire, const char *bytes, size_t len, int64_t until)
{
	size_t n;

	ERR_clear_error();
	while (SSL_write_ex(wire->ssl, bytes, len, &n) != 1)
		if (!await_tls(wire, 0, until))
			return false;
	return true;
}

bool
wire_write(struct wire *wire, const char *bytes, size_t len, int64_t until)
{
	ssize_t n;

	if (wire->ssl != NULL)
		return write_tls(wire, bytes, len, until);
	while (len > 0) {
		if (!await(wire, POLLOUT, until))
			return false;
		n = send(wire->fd, bytes, len, MSG_NOSIGNAL);
		if (n == -1 && errno != EAGAIN && errno != EINTR)
			return fail(wire, "%s", strerror(errno));
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return true;
}
