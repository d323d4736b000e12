/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "fingerprint.h"

enum { SHA256_BYTES = 32 };

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
fingerprint_parse(const char *text, char out[FINGERPRINT_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	bool colons = strchr(text, ':') != NULL;
	size_t n = 0;
	int value;

	while (n < FINGERPRINT_SIZE - 1) {
		if (colons && n > 0 && n % 2 == 0 && *text++ != ':')
			return false;
		for (int i = 0; i < 2; i++, text++) {
			value = hex_value(*text);
			if (value == -1)
				return false;
			out[n++] = digits[value];
		}
	}
	out[n] = '\0';
	return *text == '\0';
}

bool
fingerprint_of(const X509 *cert, char out[FINGERPRINT_SIZE])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (X509_digest(cert, EVP_sha256(), digest, &len) != 1 ||
	    len != SHA256_BYTES)
		return false;
	for (unsigned i = 0; i < len; i++)
		snprintf(out + (size_t)2 * i, 3, "%02x", digest[i]);
	return true;
}

bool
fingerprint_of_file(const char *path, char out[FINGERPRINT_SIZE], char *error,
    size_t error_size)
{
	FILE *file = fopen(path, "re");
	X509 *cert;
	bool ok;

	if (file == NULL) {
		snprintf(error, error_size, "%s", strerror(errno));
		return false;
	}
	cert = PEM_read_X509(file, NULL, NULL, NULL);
	fclose(file);
	ok = cert != NULL && fingerprint_of(cert, out);
	if (!ok)
		snprintf(error, error_size, "holds no certificate in PEM");
	X509_free(cert);
	ERR_clear_error();
	return ok;
}
