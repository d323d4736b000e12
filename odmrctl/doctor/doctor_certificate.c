/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: the certificate that odmrd shows, as far as the files tell.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "doctor.h"

enum { EXPIRING_DAYS = 14, DAY_SECONDS = 86400 };

struct chain {
	X509 *leaf;
	STACK_OF(X509) * others;
};

static void
free_chain(struct chain *chain)
{
	X509_free(chain->leaf);
	sk_X509_pop_free(chain->others, X509_free);
}

/* NULL, or what is wrong with the file. */
static const char *
read_chain(const char *path, struct chain *chain)
{
	FILE *file = fopen(path, "re");
	X509 *next;

	*chain = (struct chain) { NULL, sk_X509_new_null() };
	if (file == NULL)
		return strerror(errno);
	chain->leaf = PEM_read_X509(file, NULL, NULL, NULL);
	while (chain->leaf != NULL && chain->others != NULL &&
	    (next = PEM_read_X509(file, NULL, NULL, NULL)) != NULL)
		if (sk_X509_push(chain->others, next) <= 0)
			X509_free(next);
	fclose(file);
	ERR_clear_error();
	return chain->leaf != NULL ? NULL : "has no certificate in PEM";
}

static const char *
day(struct doctor *doctor, const ASN1_TIME *time)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(time, &tm) != 1)
		return "?";
	return doctor_text(doctor, "%04d-%02d-%02d", tm.tm_year + 1900,
	    tm.tm_mon + 1, tm.tm_mday);
}

static void
check_dates(struct doctor *doctor, const char *path, const X509 *leaf)
{
	time_t soon = time(NULL) + (time_t)EXPIRING_DAYS * DAY_SECONDS;
	const ASN1_TIME *from = X509_get0_notBefore(leaf);
	const ASN1_TIME *until = X509_get0_notAfter(leaf);
	const char *cure = "certbot renew # or as you get certificates";

	if (X509_cmp_current_time(from) > 0)
		doctor_find(doctor, CERTIFICATE_EXPIRED, path, cure,
		    "is not valid before %s", day(doctor, from));
	else if (X509_cmp_current_time(until) < 0)
		doctor_find(doctor, CERTIFICATE_EXPIRED, path, cure,
		    "has expired on %s", day(doctor, until));
	else if (X509_cmp_time(until, &soon) < 0)
		doctor_find(doctor, CERTIFICATE_EXPIRING, path, cure,
		    "expires on %s", day(doctor, until));
}

static void
check_name(struct doctor *doctor, const char *path, X509 *leaf)
{
	const char *name = doctor->conf->myhostname;

	if (X509_check_host(leaf, name, 0, 0, NULL) != 1)
		doctor_find(doctor, CERTIFICATE_NAME, path,
		    doctor_text(doctor, "certbot certonly -d %s", name),
		    "is not for %s, as which odmrd greets (myhostname)", name);
}

/* An issuer that is not in the file has to be known to the customer already.
 * Whether it is a public one, whose intermediate certificate was left out, or
 * the operator's own, known to his customers, the certificate tells: only
 * public ones say where their issuer's can be had. */
static bool
lacks_issuer(const struct chain *chain)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	AUTHORITY_INFO_ACCESS *places =
	    X509_get_ext_d2i(chain->leaf, NID_info_access, NULL, NULL);
	bool lacks = false;

	if (store != NULL && ctx != NULL && places != NULL &&
	    X509_STORE_set_default_paths(store) == 1 &&
	    X509_STORE_CTX_init(ctx, store, chain->leaf, chain->others) == 1) {
		X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_NO_CHECK_TIME);
		if (X509_verify_cert(ctx) != 1)
			lacks = X509_STORE_CTX_get_error(ctx) ==
				X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
			    X509_STORE_CTX_get_error(ctx) ==
				X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE;
	}
	AUTHORITY_INFO_ACCESS_free(places);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	ERR_clear_error();
	return lacks;
}

static void
check_key(struct doctor *doctor, const char *cert, X509 *leaf)
{
	const struct conf *conf = doctor->conf;
	const char *path =
	    conf->tls_key_file[0] != '\0' ? conf->tls_key_file : cert;
	EVP_PKEY *key = NULL;
	FILE *file = fopen(path, "re");

	if (file == NULL && doctor_is_unseen(doctor, path))
		return;
	if (file != NULL) {
		key = PEM_read_PrivateKey(
		    file, NULL, NULL, (void *)(uintptr_t) "");
		fclose(file);
	}
	if (key == NULL)
		doctor_find(doctor, KEY_UNREADABLE, path,
		    doctor_edit(doctor, NULL, "tls_key_file"), "%s",
		    file == NULL ? "cannot be opened"
				 : "has no key in PEM without a password");
	else if (X509_check_private_key(leaf, key) != 1)
		doctor_find(doctor, KEY_MISMATCH, path,
		    doctor_edit(doctor, NULL, "tls_cert_file and tls_key_file"),
		    "is not the key of %s", cert);
	EVP_PKEY_free(key);
	ERR_clear_error();
}

static void
check_chain(struct doctor *doctor, const char *path, const struct chain *chain)
{
	check_dates(doctor, path, chain->leaf);
	check_name(doctor, path, chain->leaf);
	if (lacks_issuer(chain))
		doctor_find(doctor, CERTIFICATE_CHAIN, path,
		    "cat cert.pem chain.pem > fullchain.pem # and name that in "
		    "tls_cert_file",
		    "lacks the certificate of its issuer");
	check_key(doctor, path, chain->leaf);
}

void
check_certificate(struct doctor *doctor)
{
	const char *path = doctor->conf->tls_cert_file, *fault;
	const char *conf = doctor->ctx->conf_path;
	struct chain chain;

	if (doctor->conf->allow_plaintext_auth)
		doctor_find(doctor, PLAINTEXT_AUTH, conf,
		    doctor_set(doctor, "allow_plaintext_auth", "no"),
		    "allow_plaintext_auth = yes");
	if (path[0] == '\0') {
		doctor_find(doctor, NO_TLS, conf,
		    doctor_edit(doctor, NULL, "tls_cert_file"),
		    "tls_cert_file is not set");
		return;
	}
	fault = read_chain(path, &chain);
	if (fault == NULL)
		check_chain(doctor, path, &chain);
	else if (!doctor_is_unseen(doctor, path))
		doctor_find(doctor, CERTIFICATE_UNREADABLE, path,
		    doctor_edit(doctor, NULL, "tls_cert_file"), "%s", fault);
	free_chain(&chain);
}
