/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "flood.h"
#include "key_check.h"

/* OpenSSL reads what stands there next, and cannot be told not to: bytes that
 * are no message at all end the handshake. */
static void
spoil(const void *bytes, size_t len)
{
	memset((void *)(uintptr_t)bytes, 0xff, len);
}

static void
watch(int written, int version, int type, const void *bytes, size_t len,
    SSL *ssl, void *arg)
{
	const unsigned char *message = bytes;
	struct flood *flood = arg;

	(void)ssl;
	if (written)
		return;
	if (type == SSL3_RT_HEADER || type == SSL3_RT_HANDSHAKE)
		flood->seen++;
	if (type != SSL3_RT_HANDSHAKE || len == 0 ||
	    message[0] != SSL3_MT_CERTIFICATE ||
	    keys_are_usual(message, len, version == TLS1_3_VERSION))
		return;
	flood->costly = true;
	spoil(bytes, len);
}

/* What the socket's BIO is asked passes here, before and after. */
static long
hold_back(BIO *bio, int operation, const char *bytes, size_t len, int argi,
    long argl, int result, size_t *processed)
{
	const struct flood *flood = (void *)BIO_get_callback_arg(bio);

	(void)bytes;
	(void)len;
	(void)argi;
	(void)argl;
	(void)processed;
	if (operation != BIO_CB_READ || !flood_is_full(flood))
		return result;
	BIO_set_retry_read(bio);
	return -1;
}

void
flood_watch(struct flood *flood, SSL *ssl)
{
	BIO *bio = SSL_get_rbio(ssl);

	*flood = (struct flood) { 0 };
	SSL_set_msg_callback(ssl, watch);
	SSL_set_msg_callback_arg(ssl, flood);
	BIO_set_callback_ex(bio, hold_back);
	BIO_set_callback_arg(bio, (char *)flood);
}
