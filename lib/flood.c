/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "flood.h"

static void
count(int written, int version, int type, const void *bytes, size_t len,
    SSL *ssl, void *arg)
{
	struct flood *flood = arg;

	(void)version;
	(void)bytes;
	(void)len;
	(void)ssl;
	if (!written && (type == SSL3_RT_HEADER || type == SSL3_RT_HANDSHAKE))
		flood->seen++;
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

	flood->seen = 0;
	SSL_set_msg_callback(ssl, count);
	SSL_set_msg_callback_arg(ssl, flood);
	BIO_set_callback_ex(bio, hold_back);
	BIO_set_callback_arg(bio, (char *)flood);
}
