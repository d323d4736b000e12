/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tls.h"

struct tls {
	SSL_CTX *ctx;
};

static const char *
openssl_fault(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	return text != NULL ? text : "unknown OpenSSL error";
}

/* The name of the file that could not be used, or NULL if all is well. */
static const char *
load(SSL_CTX *ctx, const char *cert_file, const char *key_file)
{
	if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
		return cert_file;
	if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		return key_file;
	return NULL;
}

struct tls *
tls_new(const char *cert_file, const char *key_file, char *error, size_t size)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	const char *bad;

	ERR_clear_error();
	if (tls != NULL)
		tls->ctx = SSL_CTX_new(TLS_method());
	if (tls == NULL || tls->ctx == NULL) {
		snprintf(error, size, "out of memory");
		tls_free(&tls);
		return NULL;
	}
	bad = load(
	    tls->ctx, cert_file, key_file[0] != '\0' ? key_file : cert_file);
	if (bad != NULL) {
		snprintf(error, size, "%s: %s", bad, openssl_fault());
		tls_free(&tls);
		return NULL;
	}
	SSL_CTX_set_min_proto_version(tls->ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(tls->ctx,
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
		SSL_OP_CIPHER_SERVER_PREFERENCE);
	/* An idle session gives its 16 KiB read and write buffers back. */
	SSL_CTX_set_mode(tls->ctx, SSL_MODE_RELEASE_BUFFERS);
	/* Sessions are long and few: no cache, no tickets to keep. */
	SSL_CTX_set_session_cache_mode(tls->ctx, SSL_SESS_CACHE_OFF);
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
	if (side == TLS_SERVER)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	return ssl;
}
