/* SPDX-License-Identifier: ISC */
/* Accounts, their grants of domains, and their certificates. */
#ifndef STORE_ACCOUNT_H
#define STORE_ACCOUNT_H

#include "store_common.h"

struct account {
	int64_t id;
	const char *login;
	const char *scram;    /* SCRAM-SHA-256 verifier, see secret.h */
	const char *password; /* NULL unless CRAM-MD5 was asked for */
	int64_t passwords;    /* that it has had; tells them apart */
	long linger;
	bool disabled;
	int64_t created;
};

typedef void account_visit(const struct account *account, void *arg);

/* id, passwords and created are ignored. */
enum store_result store_account_add(struct store *, const struct account *);
/* Replaces both secrets; password NULL removes the reversible one. */
enum store_result store_account_secret(
    struct store *, const char *login, const char *scram, const char *password);
enum store_result store_account_disable(
    struct store *, const char *login, bool disabled);
enum store_result store_account_linger(
    struct store *, const char *login, long linger);
/* Also takes back what its login may start by ETRN. */
enum store_result store_account_remove(struct store *, const char *login);
enum store_result store_account_get(
    struct store *, const char *login, account_visit *visit, void *arg);
enum store_result store_account_each(
    struct store *, account_visit *visit, void *arg);

/* As whom, and by what, somebody has authenticated some time ago. */
struct standing {
	int64_t account;
	const char *login;
	int64_t passwords;       /* the account's then */
	const char *certificate; /* its fingerprint; NULL: by the password */
};

/* STORE_OK: it could do so now as well, and the account has `*linger`.
 * STORE_NONE: the account is gone, though one of the same login may be there,
 * or disabled, or has another password, or not that certificate. */
enum store_result store_account_stands(
    struct store *, const struct standing *, long *linger);

/* STORE_NONE: no such account. Granting twice is STORE_EXISTS, revoking what
 * was not granted STORE_NONE. */
enum store_result store_grant(
    struct store *, int64_t account, const char *domain);
enum store_result store_revoke(
    struct store *, int64_t account, const char *domain);
/* STORE_OK: granted; STORE_NONE: not. */
enum store_result store_granted(
    struct store *, int64_t account, const char *domain);
/* All grants of an account, in the order of the names. */
enum store_result store_grants(
    struct store *, int64_t account, name_visit *visit, void *arg);

/* The logins of all accounts that have `domain`, in their order. */
enum store_result store_grantees(
    struct store *, const char *domain, name_visit *visit, void *arg);
/* A secret of this database that stays as long as it does: see secret_decoy.
 * `visit` gets it as text. */
enum store_result store_decoy_seed(
    struct store *, name_visit *visit, void *arg);

/* ---- client certificates ------------------------------------------------- */

struct cert {
	const char *login;
	const char *fingerprint; /* see fingerprint.h */
	int64_t created;
};

typedef void cert_visit(const struct cert *cert, void *arg);

/* STORE_EXISTS: this account, or another, has it; STORE_NONE: no account. */
enum store_result store_cert_add(
    struct store *, int64_t account, const char *fingerprint);
enum store_result store_cert_remove(
    struct store *, int64_t account, const char *fingerprint);
/* Whose is it? `visit` may be NULL. */
enum store_result store_cert_login(
    struct store *, const char *fingerprint, name_visit *visit, void *arg);
/* `login` NULL: of all accounts. */
enum store_result store_cert_each(
    struct store *, const char *login, cert_visit *visit, void *arg);

#endif
