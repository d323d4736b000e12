/* SPDX-License-Identifier: ISC */
/*
 * The store: the database, and the only SQL of the toolkit.
 *
 * A struct store is one thread's connection; never share one between threads.
 * The database is opened at first use, and opened anew after a failure or when
 * the file was moved away, so a daemon outlives a missing database.
 *
 * Law: anything but DONE or ROW is failure, and failure means "later": a
 * caller answers 451 or lets mail pass, it never takes STORE_FAILED for "no".
 * store_error() then has one line that names the database and the fault.
 *
 * Domains in arguments are canonical (domain.h). Strings handed to a visitor
 * are borrowed for the call. A visitor may use the store itself.
 */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/conf.h"
#include "lib/postfix/mail_journal.h"
#include "lib/postfix/mail_log_line.h"
#include "suspicion.h"

struct store;

enum store_result {
	STORE_OK,
	STORE_NONE,   /* no such row */
	STORE_EXISTS, /* the row is there already */
	STORE_FAILED, /* the database could not be used: "later" */
};

/* `busy_ms`: how long a call may wait for another process's lock. NULL only
 * when out of memory. `conf` is borrowed for the life of the store. */
struct store *store_new(const struct conf *conf, int busy_ms);
/* One that changes nothing, not even the journal mode. */
struct store *store_new_reader(const struct conf *conf, int busy_ms);
void store_free(struct store **store);
const char *store_error(const struct store *store);

/* Creates what is missing, applies upgrades, and gives the file its owner and
 * mode (conf->user, 0600) when run as root. Opening a newer schema fails with a
 * clear message. */
enum store_result store_init(struct store *store);
/* The file alone, not yet opened: what of it takes root. */
enum store_result store_prepare(struct store *store);

/* One transaction; calls between are all done or none. */
enum store_result store_begin(struct store *store);
enum store_result store_commit(struct store *store);
void store_rollback(struct store *store);

/* ---- domains ------------------------------------------------------------- */

enum domain_mode { MODE_ODMR, MODE_BACKUP, MODE_HOLD };

/* "odmr", "backup", "hold"; domain_mode_parse returns false for others. */
const char *domain_mode_name(enum domain_mode mode);
bool domain_mode_parse(const char *text, enum domain_mode *mode);
/* odmrd carries its mail; that of others Postfix delivers by itself. */
static inline bool
domain_mode_is_carried(enum domain_mode mode)
{
	return mode != MODE_BACKUP;
}

enum { SOCKET_NAME_MAX = 100 };

struct domain {
	const char *name;
	enum domain_mode mode;
	const char *nexthop; /* NULL: by MX */
	const char *socket;  /* file name: the domain, or d<id> if too long */
	int64_t created;
};

typedef void domain_visit(const struct domain *domain, void *arg);
typedef void name_visit(const char *name, void *arg);

enum store_result store_domain_add(struct store *, const char *name,
    enum domain_mode mode, const char *nexthop);
enum store_result store_domain_set(struct store *, const char *name,
    enum domain_mode mode, const char *nexthop);
/* With all that was granted of it. Its tags stay. */
enum store_result store_domain_remove(struct store *, const char *name);
/* `visit` may be NULL: is it there? */
enum store_result store_domain_get(
    struct store *, const char *name, domain_visit *visit, void *arg);
/* The account that alone has it; STORE_NONE: nobody has, or several do. */
enum store_result store_domain_owner(
    struct store *, const char *name, int64_t *account);
enum store_result store_domain_each(
    struct store *, domain_visit *visit, void *arg);

/* ---- accounts ------------------------------------------------------------ */

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

/* ---- permissions for ETRN ------------------------------------------------ */

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

/* ---- tags ---------------------------------------------------------------- */

struct tag {
	const char *queue_id;
	const char *domain;
	const char *sender;     /* "" for the null sender */
	const char *recipients; /* one a line, each only once */
	long recipient_count;
	int64_t size;
	const char *client;
	int64_t arrived;
	const char *earlier; /* ids that it may have had, each and a blank */
	/* what a visitor sees besides: */
	const char *state;
	long open;
	long delivered; /* recipients answered 2xx */
	long attempts;
	const char *session;     /* the last that attempted it, or NULL */
	const char *last_answer; /* or NULL */
	int64_t doubted; /* when a 5xx was first not believed; 0: never */
	long faults;     /* sessions that broke at it */
	bool apart;      /* set apart for them */
	int64_t settled; /* 0: held */
	bool on_hold;    /* of those held: Postfix will not try it */
};

typedef void tag_visit(const struct tag *tag, void *arg);

/* A tag that is there already stays as it is (STORE_OK). One that the message
 * has under an earlier id becomes this one: see store_rename.c. */
enum store_result store_tag_add(struct store *, const struct tag *);
/* The latter alone. STORE_NONE: it has none, or this one, too, which stays. */
enum store_result store_tag_rename(struct store *, const struct tag *);
/* Held tags, oldest first; `domain` NULL: of every domain. */
enum store_result store_tag_each(
    struct store *, const char *domain, tag_visit *visit, void *arg);
/* Tags in any state, or in `state`; likewise. */
enum store_result store_tag_history(struct store *, const char *domain,
    const char *state, tag_visit *visit, void *arg);
/* All tags of one message, held or not, in the order of their domains. */
enum store_result store_tag_find(
    struct store *, const char *queue_id, tag_visit *visit, void *arg);
/* The message was taken out of the queue: what was held of it is "left", and
 * `why` its last answer. STORE_NONE: nothing was held. */
enum store_result store_tag_leave(
    struct store *, const char *queue_id, int64_t when, const char *why);
/* Adds to *count the held tags of `domain`; with `session`, only those that are
 * not on hold and still have a recipient which that session has not attempted
 * ("" has attempted none). */
enum store_result store_tag_count(
    struct store *, const char *domain, const char *session, int64_t *count);

/* The queue ids of those, oldest first, up to `limit`. */
enum store_result store_tag_unattempted(struct store *, const char *domain,
    const char *session, int64_t limit, name_visit *visit, void *arg);

/* The message is on hold in the queue. STORE_NONE: nothing is held of it. */
enum store_result store_tag_hold(struct store *, const char *queue_id);

/* STORE_OK: a session other than `session` was told 5xx for the message and did
 * not believe it, first *age seconds ago: by the time of day or by the uptime,
 * whichever is less, as somebody may have set the time, and the uptime begins
 * anew. STORE_NONE: none was. */
enum store_result store_tag_doubted(struct store *, const char *queue_id,
    const char *domain, const char *session, int64_t *age);

/* What came of one transaction: recipients answered 2xx, 5xx, 4xx. A tag with
 * no open recipient left becomes delivered (or refused, if none was taken). A
 * message that was never tagged gets its tag here if nothing of it stays open.
 * Feeds `collected` as well. */
struct settlement {
	const char *queue_id;
	const char *other_id; /* renamed where queue_id has no tag; or NULL */
	const char *domain;
	const char *session;
	long delivered;
	long refused;
	long kept;
	long doubted; /* of those kept: the customer said 5xx */
	enum fault fault;
	bool took; /* the session has taken mail by then */
	int64_t bytes;
	int64_t when;
	int64_t up; /* uptime() then */
	const char
	    *answer; /* the last that was not 2xx, or the 2xx; NULL: none */
};

/* STORE_NONE: it was never tagged. */
enum store_result store_settle(struct store *, const struct settlement *);

/* ---- what sessions have taught ------------------------------------------- */

struct workaround {
	int64_t account;    /* 0: of a domain that is dialled, */
	const char *domain; /* which is "" otherwise */
	const char *what;   /* see odmrd/delivery/workaround.h */
	const char *why;
	int64_t since;
	int64_t until;
};

typedef void workaround_visit(const struct workaround *, void *arg);

struct suspect {
	const char *queue_id;
	enum suspicion suspicion;
	int64_t faulted; /* when last */
};

typedef void suspect_visit(const struct suspect *, void *arg);

/* `until` is ignored: a day after `since` if it is sure, or guessed for the
 * second time within a day, else an hour. An account that is gone learns
 * nothing. */
enum store_result store_workaround_put(
    struct store *, const struct workaround *, bool sure);
/* Account, domain and `what` count. */
enum store_result store_workaround_forget(
    struct store *, const struct workaround *);
/* Those that count now. */
enum store_result store_workaround_each(struct store *, int64_t account,
    const char *domain, int64_t now, workaround_visit *visit, void *arg);
/* The held messages of `domain` that sessions may have ended at. */
enum store_result store_suspects(
    struct store *, const char *domain, suspect_visit *visit, void *arg);

/* ---- usage --------------------------------------------------------------- */

/* Of one account, domain and day, or of the days of a period. Sessions and
 * seconds are an account's and have domain ''; account '' is nobody's. */
struct usage {
	const char *day; /* YYYY-MM-DD, local time; NULL: a period */
	const char *account;
	const char *domain;
	int64_t messages; /* that came in */
	int64_t bytes;
	int64_t delivered;
	int64_t delivered_bytes;
	int64_t refused;
	int64_t expired;
	int64_t left;
	int64_t peak; /* most that waited at a time */
	int64_t sessions;
	int64_t seconds;
};

typedef void usage_visit(const struct usage *, void *arg);

/* Of the days `from` to `to`, both included: by day, account and domain; or
 * one for each account and domain, in their order, nobody's last. */
enum store_result store_usage_days(struct store *, const char *from,
    const char *to, usage_visit *visit, void *arg);
enum store_result store_usage_period(struct store *, const char *from,
    const char *to, usage_visit *visit, void *arg);

/* ---- what Postfix's log says --------------------------------------------- */

/* What came of one recipient, or the end of a message, of one domain. */
struct logged {
	const char *queue_id;
	const char *domain;
	enum mail_event event;
	const char *local; /* as in mail_log_line.h; not at an end */
	const char *answer;
	int64_t when;
};

typedef void logged_visit(const struct logged *, void *arg);

/* Tags that were settled. */
struct settled {
	int64_t delivered;
	int64_t refused;
	int64_t expired;
	int64_t left;
};

/* A recipient that is on the list of a held tag counts, once, and a final
 * answer takes it off the list as long as others wait. One that is not, by an
 * alias or because the queue had it no more, is told by store_logged_end. Adds
 * to *settled, as that does. STORE_NONE: there is no tag, held or not. */
enum store_result store_logged(
    struct store *, const struct logged *, struct settled *settled);
/* The domains for which a message is held. */
enum store_result store_held_domains(
    struct store *, const char *queue_id, name_visit *visit, void *arg);
/* The message is gone: its held tag becomes delivered if some recipient was,
 * else expired or left. */
enum store_result store_logged_end(
    struct store *, const struct logged *, struct settled *settled);

/* Keeps what was logged, at `now`, of a message that has no tag yet. */
enum store_result store_early_add(
    struct store *, const struct logged *, int64_t now);
/* The same for the end of a message, for each domain of which something is
 * kept; logged->domain does not matter. */
enum store_result store_early_end(
    struct store *, const struct logged *, int64_t now);
/* Of what is kept, what has its tag now, in the order of the log. */
enum store_result store_early_each(
    struct store *, logged_visit *visit, void *arg);
/* Forgets that, and what is too old at `now`, or too much. */
enum store_result store_early_forget(struct store *, int64_t now);

/* How far a log was read. All is 0: it never was. */
struct log_position {
	int64_t inode;
	int64_t offset;
	char
	    cursor[MAIL_JOURNAL_CURSOR_SIZE]; /* of the journal, in its stead */
};

/* STORE_NONE, and *position untouched: it never was. */
enum store_result store_log_position_get(
    struct store *, const char *path, struct log_position *position);
/* Inserts or replaces. */
enum store_result store_log_position_put(
    struct store *, const char *path, const struct log_position *);

/* ---- what ETRN started --------------------------------------------------- */

/* Notes that the domain's mail is started at `now`. STORE_NONE: it was, less
 * than `interval` seconds ago, and that stays noted. */
enum store_result store_started(
    struct store *, const char *domain, int64_t now, int64_t interval);

/* ---- sessions ------------------------------------------------------------ */

struct session_row {
	const char *id;
	long pid;
	const char *account;
	const char *client;
	const char *domains; /* one a line */
	const char *state;
	int64_t attempted; /* messages that have an answer; of those: */
	int64_t delivered;
	int64_t refused;
	int64_t kept;
	int64_t bytes;     /* of the delivered */
	int64_t in_flight; /* given to the customer, not answered yet */
	int64_t rate;      /* delivered a minute, in the last ten seconds */
	int64_t since;
	int64_t noted; /* when odmrd wrote this */
	/* what a visitor sees besides: */
	int64_t held; /* for its domains, those kept in this session too */
};

typedef void session_visit(const struct session_row *session, void *arg);

/* Inserts or replaces. */
enum store_result store_session_put(struct store *, const struct session_row *);
/* The session ended at `now`: its row goes into usage. */
enum store_result store_session_end(
    struct store *, const char *id, int64_t now);
/* The same for all that a dead odmrd left, as far as it had noted them. */
enum store_result store_session_clear(struct store *);
enum store_result store_session_each(
    struct store *, session_visit *visit, void *arg);

/* ---- probes -------------------------------------------------------------- */

/* What is known of a domain's next hop. No row: it counts as down. */
struct probe_state {
	bool up;
	int64_t times; /* in a row that it was found so */
	int64_t next;  /* not to be probed before then */
};

typedef void probe_visit(
    const char *domain, const struct probe_state *state, void *arg);

/* Inserts or replaces. */
enum store_result store_probe_put(
    struct store *, const char *domain, const struct probe_state *);
enum store_result store_probe_drop(struct store *, const char *domain);
enum store_result store_probe_each(
    struct store *, probe_visit *visit, void *arg);

/* ---- status ---------------------------------------------------------- */

struct domain_status {
	struct domain domain;
	int64_t held;
	int64_t bytes;
	int64_t oldest;         /* arrival time, 0: none held */
	int64_t last_collected; /* 0: never */
	int64_t delivered;
	int64_t doubted; /* of those held: the customer refused them once */
	int64_t apart;   /* of those held: sessions broke at them */
	int64_t on_hold; /* of those held: Postfix does not try them */
};

typedef void status_visit(const struct domain_status *status, void *arg);

enum store_result store_status_each(
    struct store *, status_visit *visit, void *arg);

/* ---- totals -------------------------------------------------------------- */

/* Since the beginning; they never become less. */
struct domain_total {
	const char *domain;
	int64_t messages;
	int64_t bytes;
};

typedef void total_visit(const struct domain_total *total, void *arg);

/* Every domain that ever had some, in the order of the names. `what`:
 * "received", or what became of them, a state of a tag. */
enum store_result store_total_each(
    struct store *, const char *what, total_visit *visit, void *arg);
/* Of the sessions that have ended. */
enum store_result store_total_sessions(
    struct store *, int64_t *sessions, int64_t *seconds);

#endif
