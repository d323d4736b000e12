/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "lib/secret.h"

/* RFC 7677 section 3: user "user", password "pencil". */
static const char vector[] = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
			     "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
			     "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
static const char auth_message[] =
    "n=user,r=rOprNGfwEbeRWgbNEkqO,"
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
static const char client_proof[] =
    "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
static const char server_signature[] =
    "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

static void
decode(const char *text, unsigned char out[SECRET_KEY_SIZE])
{
	unsigned char block[SECRET_KEY_SIZE + 4];

	assert_int_equal(EVP_DecodeBlock(block, (const unsigned char *)text,
			     (int)strlen(text)),
	    SECRET_KEY_SIZE + 1);
	memcpy(out, block, SECRET_KEY_SIZE);
}

static void
sign(const unsigned char *key, unsigned char out[SECRET_KEY_SIZE])
{
	assert_non_null(HMAC(EVP_sha256(), key, SECRET_KEY_SIZE,
	    (const unsigned char *)auth_message, strlen(auth_message), out,
	    NULL));
}

/* The keys of the vector are not in the RFC; its signatures prove them. */
static void
keys_are_those_of_rfc_7677(void **state)
{
	unsigned char proof[SECRET_KEY_SIZE], signature[SECRET_KEY_SIZE],
	    hash[SECRET_KEY_SIZE];
	struct verifier verifier;

	(void)state;
	assert_true(secret_parse(vector, &verifier));
	assert_int_equal(verifier.iterations, 4096);
	assert_int_equal(verifier.salt_len, 16);
	decode(server_signature, proof);
	sign(verifier.server_key, signature);
	assert_memory_equal(signature, proof, SECRET_KEY_SIZE);
	decode(client_proof, proof);
	sign(verifier.stored_key, signature);
	for (int i = 0; i < SECRET_KEY_SIZE; i++)
		proof[i] ^= signature[i];
	assert_int_equal(
	    EVP_Digest(proof, SECRET_KEY_SIZE, hash, NULL, EVP_sha256(), NULL),
	    1);
	assert_memory_equal(hash, verifier.stored_key, SECRET_KEY_SIZE);
}

static void
password_of_rfc_7677_matches_and_no_other(void **state)
{
	struct verifier verifier;

	(void)state;
	assert_true(secret_parse(vector, &verifier));
	assert_true(secret_matches(&verifier, "pencil"));
	assert_false(secret_matches(&verifier, "Pencil"));
	assert_false(secret_matches(&verifier, "pencil "));
	assert_false(secret_matches(&verifier, ""));
}

static const char seed[] = "the database's secret";

static void
verifier_can_be_read_back_and_has_its_own_salt(void **state)
{
	char *one = secret_verifier(seed, "one", "pencil");
	char *two = secret_verifier(seed, "two", "pencil");
	struct verifier verifier;

	(void)state;
	assert_non_null(one);
	assert_non_null(two);
	assert_string_not_equal(one, two);
	assert_true(secret_parse(one, &verifier));
	assert_int_equal(verifier.iterations, SECRET_ITERATIONS);
	assert_int_equal(verifier.salt_len, SECRET_SALT_SIZE);
	assert_true(secret_matches(&verifier, "pencil"));
	assert_false(secret_matches(&verifier, "pencils"));
	free(one);
	free(two);
}

/* Whoever sees a salt shall not learn whether there is an account. */
static void
salt_is_that_of_the_decoy_and_of_every_form_of_the_login(void **state)
{
	static const char *const forms[] = { "user", "user@a.test", "A\\user" };
	char *text = secret_verifier(seed, "user", "pencil");
	struct verifier verifier, decoy;

	(void)state;
	assert_non_null(text);
	assert_true(secret_parse(text, &verifier));
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		assert_true(secret_decoy(seed, forms[i], &decoy));
		assert_int_equal(decoy.iterations, verifier.iterations);
		assert_int_equal(decoy.salt_len, verifier.salt_len);
		assert_memory_equal(
		    decoy.salt, verifier.salt, verifier.salt_len);
		assert_false(secret_matches(&decoy, "pencil"));
	}
	assert_true(secret_decoy("another secret", "user", &decoy));
	assert_memory_not_equal(decoy.salt, verifier.salt, verifier.salt_len);
	assert_true(secret_decoy(seed, "user.test", &decoy));
	assert_memory_not_equal(decoy.salt, verifier.salt, verifier.salt_len);
	free(text);
}

/* RFC 4013 section 3: soft hyphen vanishes, ROMAN NUMERAL NINE becomes IX. */
static void
password_is_prepared_by_saslprep(void **state)
{
	char *text = secret_verifier(seed, "user", "\xe2\x85\xa8 I\xc2\xadX");
	struct verifier verifier;

	(void)state;
	assert_non_null(text);
	assert_true(secret_parse(text, &verifier));
	assert_true(secret_matches(&verifier, "IX IX"));
	assert_true(secret_matches(&verifier, "IX\xc2\xa0\xe2\x85\xa8"));
	assert_false(secret_matches(&verifier, "ix ix"));
	free(text);
}

static void
password_that_saslprep_forbids_has_no_verifier(void **state)
{
	(void)state;
	assert_null(secret_verifier(seed, "user", "bell\a"));
	assert_null(secret_verifier(seed, "user", "latin1\xe9"));
	assert_null(secret_verifier(seed, "user", "\xd8\xa7\x31"));
	assert_null(secret_verifier(seed, "user", "unassigned\xc8\xa1"));
}

static void
damaged_verifier_is_refused(void **state)
{
	static const char *const damaged[] = {
		"",
		"SCRAM-SHA-256",
		"SCRAM-SHA-256$",
		"SCRAM-SHA-1$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
		"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
		"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
		"SCRAM-SHA-256$0:W22ZaJ0SNY7soEsUEjb6gQ==$"
		"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
		"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
		"SCRAM-SHA-256$99999999:W22ZaJ0SNY7soEsUEjb6gQ==$"
		"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
		"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
		"SCRAM-SHA-256$99999999999999:W22ZaJ0SNY7soEsUEjb6gQ==$"
		"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
		"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
		"SCRAM-SHA-256$4096:$"
		"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
		"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
		"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
		"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT:"
		"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
		"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
		"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=",
		"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
		"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
		"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2d!!",
	};
	char big_salt[256] = "SCRAM-SHA-256$4096:";
	struct verifier verifier;

	(void)state;
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++)
		assert_false(secret_parse(damaged[i], &verifier));
	for (int i = 0; i < 22; i++)
		strcat(big_salt, "QUFB");
	strcat(big_salt, strchr(vector + strlen("SCRAM-SHA-256$"), '$'));
	assert_false(secret_parse(big_salt, &verifier));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_those_of_rfc_7677),
		cmocka_unit_test(password_of_rfc_7677_matches_and_no_other),
		cmocka_unit_test(
		    verifier_can_be_read_back_and_has_its_own_salt),
		cmocka_unit_test(
		    salt_is_that_of_the_decoy_and_of_every_form_of_the_login),
		cmocka_unit_test(password_is_prepared_by_saslprep),
		cmocka_unit_test(
		    password_that_saslprep_forbids_has_no_verifier),
		cmocka_unit_test(damaged_verifier_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
