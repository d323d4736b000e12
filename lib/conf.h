/* SPDX-License-Identifier: ISC */
/*
 * odmr.conf(5): "name = value" lines in main.cf's syntax. '#' begins a comment
 * line, a line that begins with white space continues the one before. Every
 * name has a default that works; an unknown name, a name given twice or a bad
 * value is an error that names file and line.
 */
#ifndef CONF_H
#define CONF_H

#include <stdbool.h>
#include <stddef.h>

#define CONF_DEFAULT_PATH CONFDIR "/odmr.conf"

enum { CONF_ERROR_SIZE = 512 };

/* What the words of some settings mean; yes and no are 1 and 0. */
enum { CONF_LOG_SYSLOG, CONF_LOG_STDERR };
enum { CONF_LOG_INFO, CONF_LOG_DEBUG };
enum { REVERSE_TLS_NONE, REVERSE_TLS_MAY, REVERSE_TLS_REQUIRE };
enum { DEQUEUE_AUTO, DEQUEUE_CHUNKING, DEQUEUE_PIPELINING, DEQUEUE_LOCKSTEP };
enum { BELIEVE_SECOND_OPINION, BELIEVE_ALWAYS };

/* Times are in seconds, sizes in bytes. Strings are owned by the struct; an
 * empty string stands for "not set". */
struct conf {
	/* every program */
	char *myhostname;
	char *database;
	char *domain_table;
	char *etrn_table;
	long log;
	char *user;
	char *postfix_config_directory;
	char *postfix_user;
	char *postqueue_path;
	char *postconf_path;
	char *postmap_path;
	char *mail_log; /* see conf_has_journal */

	/* odmr-milter */
	char *milter_socket;
	char *milter_pid_file;

	/* odmrd */
	long log_level;
	char *listen;
	char *listen_tls;
	char *pid_file;
	char *control_socket;
	char *socket_directory;
	char *flush_group;
	long flush_timeout;
	long reconcile_interval;
	char *tls_cert_file;
	char *tls_key_file;
	long reverse_tls;
	long allow_plaintext_auth;
	long submission;
	char *submission_server;
	long submission_timeout;
	long session_limit;
	long session_limit_per_address;
	long session_limit_per_account;
	long stranger_share;
	long auth_failure_limit;
	long auth_failure_time;
	long auth_failure_delay;
	long command_limit;
	long error_limit;
	long line_length_limit;
	long auth_time_limit;
	long command_time_limit;
	long customer_timeout;
	long data_done_timeout;
	long delivery_limit;
	long delivery_total;
	long stall_time;
	long progress_time;
	long progress_rate;
	long drain_wait;
	long noop_interval;
	long takeover_wait;
	long believe_5xx;
	long second_opinion_time;
	long dequeue_mode;
	long message_buffer;
	long session_buffer;
	long total_buffer;
	long stop_timeout;

	/* etrn-trigger */
	long etrn_min_interval;

	/* odmrctl */
	long history_days;
};

/*
 * Fills `conf` with the defaults and then what `path` says. On failure returns
 * false with one line in `error`; `conf` is then empty. conf_free releases
 * what conf_load allocated and may be called on either.
 */
bool conf_load(
    struct conf *conf, const char *path, char error[CONF_ERROR_SIZE]);
void conf_free(struct conf *conf);

/* mail_log is systemd's journal, not a file. */
bool conf_has_journal(const struct conf *conf);

#endif
