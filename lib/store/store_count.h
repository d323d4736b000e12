/* SPDX-License-Identifier: ISC */
/*
 * Counting: what status, usage and metrics show is counted while the tags
 * change, in the same transaction. What changes the state or the size of a tag,
 * or deletes one that is held, goes through change_tag; a new tag is told to
 * count_new. Nothing else counts messages.
 *
 * All are called in a transaction.
 */
#ifndef STORE_COUNT_H
#define STORE_COUNT_H

#include "store_internal.h"

enum tag_state { TAG_HELD, TAG_DELIVERED, TAG_REFUSED, TAG_EXPIRED, TAG_LEFT };

/* For whom a message is counted: the account of the domain that stands between
 * these, if it is nobody else's; and once it is settled, who collected it in
 * the session that stands there, if somebody did. */
#define OWNER                                                                  \
	"coalesce((SELECT max(login) FROM access JOIN account "                \
	"ON account.id = access.account WHERE access.domain = "
#define OWNER_END " HAVING count(*) = 1), '') "
#define COLLECTOR                                                              \
	"coalesce((SELECT nullif(account, '') FROM session "                   \
	"WHERE session.id = "
#define COLLECTOR_END "), " OWNER "tag.domain" OWNER_END ") "

/* What a statement sets that holds a tag again. */
#define HOLD "state = 'held', settled = NULL, account_settled = NULL "

/* Runs `sql_`, which changes or deletes the tag whose id is ?1, with the values
 * from ?2 on, and counts. STORE_NONE: it changed nothing. Where `taken_` is not
 * NULL, the domain's customer took that as well. */
#define change_tag(store_, id_, taken_, sql_, ...)                             \
	count_change(                                                          \
	    store_, id_, taken_, sql_, VALUES(as_int(id_), __VA_ARGS__))
enum store_result count_change(struct store *, int64_t id,
    const struct settlement *taken, const char *sql, const struct value *values,
    size_t count);

/* The tag was inserted just now. */
enum store_result count_new(
    struct store *, int64_t id, const struct settlement *taken);
/* A message without a tag. */
enum store_result count_taken(struct store *, const struct settlement *taken);

/* Settles a tag that is held: state, time and account. */
enum store_result tag_end(
    struct store *, int64_t id, enum tag_state state, int64_t when);

#endif
