/* SPDX-License-Identifier: ISC */
/*
 * When domains were last started by an ETRN that Postfix asked about
 *: each connection to Postfix may have a process of its own, and
 * all of them have to know.
 */
#include "store_internal.h"

/* A time in the future is that of a clock which was put right since. */
enum store_result
store_etrn_last(
    struct store *store, const char *domain, int64_t now, int64_t interval)
{
	return store_change(store,
	    "INSERT INTO etrn_last (domain, at) VALUES (?1, ?2) "
	    "ON CONFLICT (domain) DO UPDATE SET at = ?2 "
	    "WHERE at <= ?2 - ?3 OR at > ?2",
	    as_text(domain), as_int(now), as_int(interval));
}
