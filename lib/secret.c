/* SPDX-License-Identifier: ISC */
/*
 * SCRAM-SHA-256 verifiers (RFC 5802, RFC 7677) in the text form of RFC 5803.
 *
 * libgsasl prepares the password with SASLprep (RFC 4013), so that the same
 * password typed on two keyboards is the same, and refuses what that
 * prohibits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gsasl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "login_name.h"
#include "secret.h"

enum { ITERATIONS_MAX = 10 * 1000 * 1000 };

static const char scheme[] = "SCRAM-SHA-256$";

static void
wipe_and_free(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

/* Fills the keys from the salt and iterations that are there. */
static bool
derive(struct verifier *verifier, const char *password)
{
	char salted[SECRET_KEY_SIZE], client_key[SECRET_KEY_SIZE];
	bool ok;

	ok = gsasl_scram_secrets_from_password(GSASL_HASH_SHA256, password,
		 verifier->iterations, (const char *)verifier->salt,
		 verifier->salt_len, salted, client_key,
		 (char *)verifier->server_key,
		 (char *)verifier->stored_key) == GSASL_OK;
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(client_key, sizeof(client_key));
	return ok;
}

static char *
base64(const unsigned char *data, size_t len)
{
	char *text = NULL;
	size_t text_len;

	if (gsasl_base64_to((const char *)data, len, &text, &text_len) !=
	    GSASL_OK)
		return NULL;
	return text;
}

static char *
format(const struct verifier *verifier)
{
	char *salt = base64(verifier->salt, verifier->salt_len);
	char *stored = base64(verifier->stored_key, SECRET_KEY_SIZE);
	char *server = base64(verifier->server_key, SECRET_KEY_SIZE);
	char *text = NULL;

	if (salt == NULL || stored == NULL || server == NULL ||
	    asprintf(&text, "%s%u:%s$%s:%s", scheme, verifier->iterations, salt,
		stored, server) < 0)
		text = NULL;
	free(salt);
	wipe_and_free(stored);
	wipe_and_free(server);
	return text;
}

/* Takes base64 up to `end` off *text; returns the octets, or 0. */
static size_t
take_base64(const char **text, char end, unsigned char *out, size_t size)
{
	const char *stop = strchr(*text, end);
	char *data = NULL;
	size_t len = 0;

	if (stop == NULL ||
	    gsasl_base64_from(*text, (size_t)(stop - *text), &data, &len) !=
		GSASL_OK)
		return 0;
	if (len <= size)
		memcpy(out, data, len);
	explicit_bzero(data, len);
	gsasl_free(data);
	*text = stop + (end != '\0');
	return len <= size ? len : 0;
}

/* Takes "4096:" off *text; returns the number, or 0. */
static unsigned
take_iterations(const char **text)
{
	char digits[12], *colon;
	const char *fault;
	long long n;

	strlcpy(digits, *text, sizeof(digits));
	colon = strchr(digits, ':');
	if (colon == NULL)
		return 0;
	*colon = '\0';
	n = strtonum(digits, 1, ITERATIONS_MAX, &fault);
	if (fault != NULL)
		return 0;
	*text += colon - digits + 1;
	return (unsigned)n;
}

bool
secret_parse(const char *text, struct verifier *out)
{
	memset(out, 0, sizeof(*out));
	if (strncmp(text, scheme, strlen(scheme)) != 0)
		return false;
	text += strlen(scheme);
	out->iterations = take_iterations(&text);
	if (out->iterations == 0)
		return false;
	out->salt_len = take_base64(&text, '$', out->salt, sizeof(out->salt));
	return out->salt_len > 0 &&
	    take_base64(&text, ':', out->stored_key, SECRET_KEY_SIZE) ==
	    SECRET_KEY_SIZE &&
	    take_base64(&text, '\0', out->server_key, SECRET_KEY_SIZE) ==
	    SECRET_KEY_SIZE;
}

bool
secret_matches(const struct verifier *verifier, const char *password)
{
	struct verifier tried = *verifier;
	bool same;

	same = derive(&tried, password) &&
	    CRYPTO_memcmp(
		tried.stored_key, verifier->stored_key, SECRET_KEY_SIZE) == 0;
	explicit_bzero(&tried, sizeof(tried));
	return same;
}

/* Octets that only the database's secret and the login determine. */
static bool
draw(const char *seed, const char *use, const char *login, unsigned char *out,
    size_t size)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	char base[LOGIN_SIZE], *text = NULL;
	unsigned len = 0;
	bool ok;

	if (asprintf(&text, "%s:%s", use, login_base(login, base)) < 0)
		return false;
	ok =
	    HMAC(EVP_sha256(), seed, (int)strlen(seed),
		(const unsigned char *)text, strlen(text), mac, &len) != NULL &&
	    len >= size;
	if (ok)
		memcpy(out, mac, size);
	free(text);
	return ok;
}

static bool
begin(struct verifier *verifier, const char *seed, const char *login)
{
	memset(verifier, 0, sizeof(*verifier));
	verifier->iterations = SECRET_ITERATIONS;
	verifier->salt_len = SECRET_SALT_SIZE;
	return draw(seed, "salt", login, verifier->salt, SECRET_SALT_SIZE);
}

char *
secret_verifier(const char *seed, const char *login, const char *password)
{
	struct verifier verifier;
	char *text = NULL;

	if (begin(&verifier, seed, login) && derive(&verifier, password))
		text = format(&verifier);
	explicit_bzero(&verifier, sizeof(verifier));
	return text;
}

bool
secret_decoy(const char *seed, const char *login, struct verifier *out)
{
	return begin(out, seed, login) &&
	    draw(seed, "stored", login, out->stored_key, SECRET_KEY_SIZE) &&
	    draw(seed, "server", login, out->server_key, SECRET_KEY_SIZE);
}
