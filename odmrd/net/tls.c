/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "lib/log.h"
#include "tls.h"

/* A chain of four large certificates, which nobody looks at but for the first.
 */
enum { CERT_LIST_MAX = 16384 };

struct tls {
	SSL_CTX *ctx;
};

/* The first is what happened, the later ones who passed it on. */
static const char *
openssl_fault(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_error());

	return text != NULL ? text : "unknown OpenSSL error";
}

/* NULL, or why the file cannot be read: OpenSSL only knows that it cannot. */
static const char *
file_fault(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd == -1)
		return strerror(errno);
	close(fd);
	return NULL;
}

/* NULL, or what is wrong with the certificate. */
static const char *
load_certificate(SSL_CTX *ctx, const char *path)
{
	const char *fault = file_fault(path);

	if (fault == NULL && SSL_CTX_use_certificate_chain_file(ctx, path) != 1)
		fault = openssl_fault();
	return fault;
}

/* NULL, or what is wrong with its key. Of a file without one OpenSSL says
 * nothing that helps; that it is another's, it says well. */
static const char *
load_key(SSL_CTX *ctx, const char *path)
{
	const char *fault = file_fault(path);

	if (fault != NULL)
		return fault;
	if (SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM) != 1 &&
	    ERR_GET_LIB(ERR_peek_error()) != ERR_LIB_X509)
		return "no key in PEM without a password";
	return SSL_CTX_check_private_key(ctx) == 1 ? NULL : openssl_fault();
}

static bool
load(SSL_CTX *ctx, const char *cert_file, const char *key_file, char *error,
    size_t size)
{
	const char *fault;

	/* OpenSSL would ask the terminal, at a reload as well. */
	SSL_CTX_set_default_passwd_cb_userdata(ctx, (void *)(uintptr_t) "");
	fault = load_certificate(ctx, cert_file);
	if (fault != NULL) {
		snprintf(
		    error, size, "tls_cert_file: %s: %s", cert_file, fault);
		return false;
	}
	fault = load_key(ctx, key_file[0] != '\0' ? key_file : cert_file);
	if (fault == NULL)
		return true;
	if (key_file[0] != '\0')
		snprintf(error, size, "tls_key_file: %s: %s", key_file, fault);
	else
		snprintf(error, size,
		    "tls_cert_file: %s: %s (tls_key_file is not set)",
		    cert_file, fault);
	return false;
}

static void
warn_of_date(const char *path, const char *what, const ASN1_TIME *when)
{
	char day[sizeof("2026-12-31T23:59:59Z")] = "";
	struct tm tm;

	if (ASN1_TIME_to_tm(when, &tm) == 1)
		strftime(day, sizeof(day), "%FT%TZ", &tm);
	log_warning(
	    NULL, "tls_cert_file: %s: the certificate %s %s", path, what, day);
}

/* It is served all the same: many a customer's program does not look. */
static void
check_dates(const SSL_CTX *ctx, const char *path)
{
	const X509 *cert = SSL_CTX_get0_certificate(ctx);
	const ASN1_TIME *from = X509_get0_notBefore(cert);
	const ASN1_TIME *to = X509_get0_notAfter(cert);

	if (X509_cmp_current_time(to) < 0)
		warn_of_date(path, "has expired at", to);
	else if (X509_cmp_current_time(from) > 0)
		warn_of_date(path, "is not valid before", from);
}

/* A certificate means something here if its fingerprint is registered: who
 * signed it is no matter, so no chain is built and no signature in it checked.
 * That would be work in the only loop, as much as a stranger likes to send.
 * That the peer has the key, TLS itself proves. */
static int
trust_any(X509_STORE_CTX *ctx, void *arg)
{
	(void)ctx;
	(void)arg;
	return 1;
}

static void
set_policy(SSL_CTX *ctx)
{
	/* Elliptic curves alone: a stranger who asks for a prime of 8192 bits
	 * has the only loop work for 0.15 s each time. */
	SSL_CTX_set1_groups_list(ctx, "X25519:P-256:X448:P-384:P-521");
	SSL_CTX_set_cipher_list(ctx, "DEFAULT:!kDHE");
	SSL_CTX_set_cert_verify_callback(ctx, trust_any, NULL);
	SSL_CTX_set_max_cert_list(ctx, CERT_LIST_MAX);
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx,
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
		SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TICKET);
	/* An idle session gives its 16 KiB read and write buffers back. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	/* Connections are long and few: no cache, no tickets to keep, every
	 * handshake is a full one. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
}

struct tls *
tls_new(const char *cert_file, const char *key_file, char *error, size_t size)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	ERR_clear_error();
	if (tls != NULL)
		tls->ctx = SSL_CTX_new(TLS_method());
	if (tls == NULL || tls->ctx == NULL) {
		snprintf(error, size, "out of memory");
		tls_free(&tls);
		return NULL;
	}
	if (!load(tls->ctx, cert_file, key_file, error, size)) {
		tls_free(&tls);
		return NULL;
	}
	check_dates(tls->ctx, cert_file);
	set_policy(tls->ctx);
	return tls;
}

struct tls *
tls_new_client(void)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	if (tls != NULL)
		tls->ctx = SSL_CTX_new(TLS_client_method());
	if (tls == NULL || tls->ctx == NULL) {
		tls_free(&tls);
		return NULL;
	}
	set_policy(tls->ctx);
	return tls;
}

void
tls_free(struct tls **tls)
{
	if (*tls == NULL)
		return;
	SSL_CTX_free((*tls)->ctx);
	free(*tls);
	*tls = NULL;
}

SSL *
tls_connection(struct tls *tls, enum tls_side side)
{
	SSL *ssl = SSL_new(tls->ctx);

	if (ssl == NULL)
		return NULL;
	if (side == TLS_SERVER) {
		SSL_set_accept_state(ssl);
		SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	} else
		SSL_set_connect_state(ssl);
	return ssl;
}

bool
tls_peer_fingerprint(const SSL *ssl, char out[FINGERPRINT_SIZE])
{
	const X509 *cert = SSL_get0_peer_certificate(ssl);

	return cert != NULL && fingerprint_of(cert, out);
}

/* TLS 1.2 without the extended master secret is open to an attack in which two
 * connections have the same Finished messages (RFC 7627 1). */
bool
tls_channel_binding(SSL *ssl, struct tls_binding *out)
{
	static const char label[] = "EXPORTER-Channel-Binding";

	if (SSL_version(ssl) >= TLS1_3_VERSION) {
		out->kind = TLS_BINDING_EXPORTER;
		out->len = 32;
		if (SSL_export_keying_material(ssl, out->bytes, out->len, label,
			strlen(label), NULL, 0, 0) == 1)
			return true;
		ERR_clear_error(); /* or the connection would seem broken */
		return false;
	}
	out->kind = TLS_BINDING_UNIQUE;
	/* The first Finished message: the client's, unless resumed. */
	out->len = SSL_get_peer_finished(ssl, out->bytes, sizeof(out->bytes));
	return SSL_get_extms_support(ssl) == 1 && out->len > 0 &&
	    out->len <= sizeof(out->bytes);
}
