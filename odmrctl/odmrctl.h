/* SPDX-License-Identifier: ISC */
/*
 * odmrctl(8): what its commands share. A command gets its arguments parsed and
 * counted by the table in main.c, writes what it has to say to `out`, and
 * returns a sysexits code, or a smaller one that is no refusal. `out` reaches
 * standard output when all went well and the databases are released: half a
 * JSON text is none, and a slow pager must not hold a lock that Postfix waits
 * for. Every refusal is one line on standard error, by complain().
 */
#ifndef ODMRCTL_H
#define ODMRCTL_H

#include <stdio.h>

#include "lib/conf.h"
#include "lib/domain.h"
#include "lib/spelling.h"
#include "lib/store/store.h"

struct context {
	const char *conf_path;
	struct conf conf;
	struct store *store;
	FILE *out;
	char *text; /* what was written to it so far, main.c's */
	size_t len;
};

/* NULL or false where the option was not given. */
struct arguments {
	const char *mode;
	const char *nexthop;
	const char *linger;
	const char *from;
	const char *to;
	const char *state;
	const char *output;
	const char *config;
	bool check;
	bool diff;
	bool undo;
	bool cram_md5;
	bool json;
	bool csv;
	bool yes;
	bool password_stdin;
	char **operands;
	int count;
};

typedef int command_run(struct context *, const struct arguments *);

command_run cmd_customer_add, cmd_customer_show, cmd_customer_remove;
command_run cmd_domain_add, cmd_domain_set, cmd_domain_list, cmd_domain_show,
    cmd_domain_remove;
command_run cmd_account_add, cmd_account_grant, cmd_account_revoke,
    cmd_account_set, cmd_account_list, cmd_account_show, cmd_account_passwd,
    cmd_account_disable, cmd_account_enable, cmd_account_remove;
command_run cmd_cert_add, cmd_cert_remove, cmd_cert_list;
command_run cmd_etrn_allow, cmd_etrn_deny, cmd_etrn_list;
command_run cmd_queue_name_add, cmd_queue_name_remove, cmd_queue_name_list;
command_run cmd_status, cmd_queue;
command_run cmd_reconcile, cmd_table;
command_run cmd_message, cmd_release, cmd_delete;
command_run cmd_sessions, cmd_sessions_end;
command_run cmd_usage, cmd_metrics, cmd_doctor, cmd_setup;

/* Writes what is in `out` to standard output already now, for a question that
 * follows. No query may be open. */
int say_now(struct context *);

/* Prints "odmrctl: ..." and returns the code. */
int complain(int code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The same for STORE_FAILED: "try again later". */
int complain_store(const struct context *);

/* Something was taken away, and the database knows: ends the sessions that had
 * it, and says so. EX_OK, also if no odmrd runs; or complains. */
int daemon_recheck(struct context *);

enum { PASSWORD_MAX = 255, PASSWORD_SIZE = PASSWORD_MAX + 1 };

/* Reads the one line of standard input, or asks on a terminal. EX_OK, or
 * complains. The caller wipes `out` in either case. */
int password_read(char out[PASSWORD_SIZE]);

/* Does `text`, of `left` bytes, begin with what a terminal may obey: a control
 * character, but for the end of a line, or what is no UTF-8? `*width`: so many
 * bytes have been looked at. */
bool output_is_order(const char *text, size_t left, size_t *width);

/*
 * Where a command's output goes when all went well: to standard output, where
 * nothing of it is a terminal's order, whoever wrote it: a control character is
 * shown as \ooo, in JSON as \uxxxx. EX_OK, or complains.
 */
int output_show(const char *text, size_t len, bool json);
/* Or to a file, which is replaced as a whole: who reads it meanwhile gets the
 * old one, and a failure leaves that. EX_OK, or complains. */
int output_write(const char *path, const char *text, size_t len);

/* What was allocated: NULL ends the program. */
void *must(void *memory);

/* After the database has changed, its tables for Postfix: some domains, or the
 * names that only ETRN knows. EX_OK, or complains. */
int table_update(struct context *, const char *const *domains, size_t count);
int table_update_etrn(struct context *);

/* EX_OK with the canonical form in `out`, else complains. */
int take_domain(const char *typed, char out[DOMAIN_SIZE]);
/* The same, and the domain must be one of ours. */
int take_known_domain(
    struct context *, const char *typed, char out[DOMAIN_SIZE]);
/* How people write the domain; to be freed. */
struct spelling spelling_of(const char *name);
/* EX_OK for STORE_OK, else complains: for what the store says to a question for
 * this domain, or to a change of it. */
int domain_code(struct context *, const char *name, enum store_result);
/* EX_OK for STORE_OK, else complains: for what the store says to a question for
 * this account, or to a change of it. */
int account_code(struct context *, const char *login, enum store_result result);
/* May this be the login of an account? EX_OK, or complains. */
int take_login(const char *login);
/* What is kept of a password, see secret.h; to be freed. EX_OK, or complains.
 */
int derive_verifier(
    struct context *, const char *login, const char *password, char **verifier);
/* Wipes both; `verifier` is freed, and may be NULL. */
void wipe_secrets(char password[PASSWORD_SIZE], char *verifier);
/* EX_OK with its id, or complains. */
int take_account(struct context *, const char *login, int64_t *id);
/* Of a listing's only operand, which may be missing: `*domain` is `out`, or
 * NULL for all domains. */
int take_domain_or_all(struct context *, const struct arguments *,
    char out[DOMAIN_SIZE], const char **domain);

#endif
