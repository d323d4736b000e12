/* SPDX-License-Identifier: ISC */
/*
 * Client certificates and whose they are. A certificate names one
 * account, an account may have several certificates.
 */
#include <time.h>

#include "store_internal.h"

enum store_result
store_cert_add(struct store *store, int64_t account, const char *fingerprint)
{
	return store_run(store,
	    "INSERT INTO certificate (fingerprint, account, created) "
	    "VALUES (?1, ?2, ?3)",
	    as_text(fingerprint), as_int(account), as_int(time(NULL)));
}

enum store_result
store_cert_remove(struct store *store, int64_t account, const char *fingerprint)
{
	return store_change(store,
	    "DELETE FROM certificate WHERE fingerprint = ?1 "
	    "AND account = ?2",
	    as_text(fingerprint), as_int(account));
}

enum store_result
store_cert_login(
    struct store *store, const char *fingerprint, name_visit *visit, void *arg)
{
	return store_name(store, visit, arg,
	    "SELECT account.login FROM certificate "
	    "JOIN account ON account.id = certificate.account "
	    "WHERE fingerprint = ?1",
	    as_text(fingerprint));
}

enum store_result
store_cert_each(
    struct store *store, const char *login, cert_visit *visit, void *arg)
{
	enum store_result result;
	struct cert cert;
	struct query query;

	if (!query_open(&query, store,
		"SELECT account.login, fingerprint, certificate.created "
		"FROM certificate "
		"JOIN account ON account.id = certificate.account "
		"WHERE account.login = ?1 OR ?1 IS NULL "
		"ORDER BY account.login, fingerprint",
		as_text(login)))
		return STORE_FAILED;
	while ((result = query_row(&query)) == STORE_OK) {
		cert.login = query_text_at(&query, 0);
		cert.fingerprint = query_text_at(&query, 1);
		cert.created = query_int_at(&query, 2);
		if (query_sound(&query))
			visit(&cert, arg);
	}
	return query_end(&query, result);
}
