/* SPDX-License-Identifier: ISC */
/* What an ETRN may name, who may, and when it was done last. */
#ifndef STORE_ETRN_H
#define STORE_ETRN_H

#include "store_common.h"

/* What a permission may name besides a network (network.h). */
#define ETRN_LOGIN "login:"

/* Who asks, as far as it is known. */
struct etrn_client {
	const char *address; /* as getnameinfo(3) writes it; NULL: unknown */
	const char *login;   /* NULL: not authenticated */
	int64_t account;     /* whose grants count; 0: nobody's */
};

struct etrn_permission {
	const char *domain;
	const char *who; /* a network's canonical text, or login:LOGIN */
};

typedef void etrn_visit(const struct etrn_permission *, void *arg);

/* STORE_NONE: no such domain. To allow twice is STORE_EXISTS, to deny what was
 * not allowed STORE_NONE. */
enum store_result store_etrn_allow(
    struct store *, const char *domain, const char *who);
enum store_result store_etrn_deny(
    struct store *, const char *domain, const char *who);
/* Takes all permissions of a login back. */
enum store_result store_etrn_forget(struct store *, const char *login);
/* In the order of the names; `domain` NULL: of every domain. */
enum store_result store_etrn_each(
    struct store *, const char *domain, etrn_visit *visit, void *arg);

/* STORE_OK: the account has a grant of the domain, or the login or a network
 * around the address has a permission. STORE_NONE: not. */
enum store_result store_etrn_may(
    struct store *, const struct etrn_client *, const char *domain);
/* STORE_OK: there is some domain for which the client may. */
enum store_result store_etrn_may_any(
    struct store *, const struct etrn_client *);
/* Every domain for which the client may, each once. */
enum store_result store_etrn_domains(
    struct store *, const struct etrn_client *, name_visit *visit, void *arg);

/* ---- queue names --------------------------------------------------------- */

/* One of the domains that an ETRN for the name means. */
struct queue_name {
	const char *name; /* canonical, see node.h; without '#' */
	const char *domain;
};

typedef void queue_name_visit(const struct queue_name *, void *arg);

/* STORE_NONE: no such domain. */
enum store_result store_queue_name_add(
    struct store *, const char *name, const char *domain);
/* `domain` NULL: the whole name. STORE_NONE: it was not there. */
enum store_result store_queue_name_remove(
    struct store *, const char *name, const char *domain);
/* In the order of names and domains; `name` NULL: every name. */
enum store_result store_queue_name_each(
    struct store *, const char *name, queue_name_visit *visit, void *arg);

/* ---- what ETRN started --------------------------------------------------- */

/* Notes that the domain's mail is started at `now`. STORE_NONE: it was, less
 * than `interval` seconds ago, and that stays noted. */
enum store_result store_etrn_last(
    struct store *, const char *domain, int64_t now, int64_t interval);

#endif
