/* SPDX-License-Identifier: ISC */
/*
 * What is kept of a password: a SCRAM-SHA-256 verifier in the form of RFC
 * 5803, "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>", from which
 * the password cannot be read back. secret_verifier and secret_matches hash
 * thousands of times: not for a daemon's main thread.
 */
#ifndef SECRET_H
#define SECRET_H

#include <stdbool.h>
#include <stddef.h>

enum { SECRET_KEY_SIZE = 32, SECRET_SALT_SIZE = 16, SECRET_ITERATIONS = 4096 };

struct verifier {
	unsigned iterations;
	unsigned char salt[64];
	size_t salt_len;
	unsigned char stored_key[SECRET_KEY_SIZE];
	unsigned char server_key[SECRET_KEY_SIZE];
};

/*
 * A new verifier, to be freed by the caller; NULL on failure (the password is
 * no valid UTF-8). Its salt comes from the database's secret `seed` (see
 * store_decoy_seed) and the login alone, so that a salt, which everybody may
 * see, tells nothing: it is what secret_decoy gives, whether or not there is
 * an account, and stays so when its password changes.
 */
char *secret_verifier(
    const char *seed, const char *login, const char *password);

/* Reads a stored verifier; false if it is damaged. */
bool secret_parse(const char *text, struct verifier *out);

/* Does `password` match? In constant time once the key is derived. */
bool secret_matches(const struct verifier *verifier, const char *password);

/* What stands in for the verifier of a login that does not exist: always the
 * same for the same `seed` and login_base(), and no password matches it.
 * False: out of memory. */
bool secret_decoy(const char *seed, const char *login, struct verifier *out);

#endif
