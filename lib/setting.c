/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "setting.h"

enum {
	IN_ODMRD = FIXED_IN_ODMRD,
	IN_MILTER = FIXED_IN_MILTER,
	IN_ALL = FIXED_IN_ODMRD | FIXED_IN_MILTER,
};

static const char yes_no[] = "no|yes";

#define FIXED(name, where)      #name, offsetof(struct conf, name), where
#define NAMED(name)             FIXED(name, 0)
#define TEXT_OF(value)          SETTING_TEXT, value, NULL, 0
#define TIME_OF(value, least)   SETTING_TIME, value, NULL, least
#define SIZE_OF(value, least)   SETTING_SIZE, value, NULL, least
#define NUMBER_OF(value, least) SETTING_NUMBER, value, NULL, least
#define WORD_OF(value, words)   SETTING_WORD, value, words, 0

/* clang-format off */
static const struct setting settings[] = {
	{ NAMED(myhostname), TEXT_OF("") },
	{ FIXED(database, IN_ODMRD), TEXT_OF("/var/lib/odmr/odmr.db") },
	{ NAMED(domain_table), TEXT_OF("lmdb:/var/lib/odmr/domains") },
	{ NAMED(etrn_table), TEXT_OF("lmdb:/var/lib/odmr/etrn_names") },
	{ FIXED(log, IN_MILTER), WORD_OF("syslog", "syslog|stderr") },
	{ FIXED(user, IN_ALL), TEXT_OF("odmr") },
	{ FIXED(postfix_config_directory, IN_ODMRD), TEXT_OF("/etc/postfix") },
	{ FIXED(postfix_user, IN_ALL), TEXT_OF("postfix") },
	{ FIXED(postqueue_path, IN_ODMRD), TEXT_OF("/usr/sbin/postqueue") },
	{ NAMED(postconf_path), TEXT_OF("/usr/sbin/postconf") },
	{ NAMED(postmap_path), TEXT_OF("/usr/sbin/postmap") },
	{ NAMED(mail_log), TEXT_OF("") },

	{ FIXED(milter_socket, IN_MILTER), TEXT_OF("unix:/var/spool/postfix/odmr/milter") },
	{ FIXED(milter_pid_file, IN_MILTER), TEXT_OF("/run/odmr/odmr-milter.pid") },

	{ NAMED(log_level), WORD_OF("info", "info|debug") },
	{ FIXED(listen, IN_ODMRD), TEXT_OF("*:366, [::]:366") },
	{ FIXED(listen_tls, IN_ODMRD), TEXT_OF("") },
	{ FIXED(pid_file, IN_ODMRD), TEXT_OF("/run/odmr/odmrd.pid") },
	{ FIXED(control_socket, IN_ODMRD), TEXT_OF("/run/odmr/odmrd.sock") },
	{ FIXED(socket_directory, IN_ODMRD), TEXT_OF("/var/spool/postfix/odmr") },
	{ FIXED(flush_group, IN_ODMRD), TEXT_OF("postdrop") },
	{ NAMED(flush_timeout), TIME_OF("30s", 1) },
	{ NAMED(reconcile_interval), TIME_OF("60s", 0) },
	{ NAMED(tls_cert_file), TEXT_OF("") },
	{ NAMED(tls_key_file), TEXT_OF("") },
	{ NAMED(reverse_tls), WORD_OF("may", "none|may|require") },
	{ NAMED(allow_plaintext_auth), WORD_OF("no", yes_no) },
	{ NAMED(submission), WORD_OF("no", yes_no) },
	{ NAMED(submission_server), TEXT_OF("127.0.0.1:10587") },
	{ NAMED(submission_timeout), TIME_OF("2m", 1) },
	{ NAMED(session_limit), NUMBER_OF("10000", 1) },
	{ NAMED(session_limit_per_address), NUMBER_OF("100", 1) },
	{ NAMED(session_limit_per_account), NUMBER_OF("20", 1) },
	{ NAMED(stranger_share), NUMBER_OF("50", 1) },
	{ NAMED(auth_failure_limit), NUMBER_OF("10", 1) },
	{ NAMED(auth_failure_time), TIME_OF("10m", 1) },
	{ NAMED(auth_failure_delay), TIME_OF("1s", 0) },
	{ NAMED(command_limit), NUMBER_OF("200", 10) },
	{ NAMED(error_limit), NUMBER_OF("10", 1) },
	{ NAMED(line_length_limit), SIZE_OF("16k", 512) },
	{ NAMED(auth_time_limit), TIME_OF("2m", 1) },
	{ NAMED(command_time_limit), TIME_OF("5m", 1) },
	{ NAMED(customer_timeout), TIME_OF("15m", 1) },
	{ NAMED(data_done_timeout), TIME_OF("15m", 1) },
	{ NAMED(delivery_limit), NUMBER_OF("200", 1) },
	{ NAMED(delivery_total), NUMBER_OF("1000", 2) },
	{ NAMED(stall_time), TIME_OF("30s", 1) },
	{ NAMED(progress_time), TIME_OF("15m", 1) },
	{ NAMED(progress_rate), SIZE_OF("64", 0) },
	{ NAMED(drain_wait), TIME_OF("5s", 1) },
	{ NAMED(noop_interval), TIME_OF("4m", 1) },
	{ NAMED(takeover_wait), TIME_OF("5s", 1) },
	{ NAMED(believe_5xx), WORD_OF("second-opinion", "second-opinion|always") },
	{ NAMED(second_opinion_time), TIME_OF("1h", 0) },
	{ NAMED(dequeue_mode), WORD_OF("auto", "auto|chunking|pipelining|lockstep") },
	{ NAMED(message_buffer), SIZE_OF("256k", 4096) },
	{ NAMED(session_buffer), SIZE_OF("16m", 65536) },
	{ NAMED(total_buffer), SIZE_OF("64m", 65536) },
	{ NAMED(stop_timeout), TIME_OF("30s", 1) },

	{ NAMED(etrn_min_interval), TIME_OF("10s", 0) },

	{ NAMED(history_days), NUMBER_OF("30", 0) },
};
/* clang-format on */

enum { SETTINGS = sizeof(settings) / sizeof(settings[0]) };

_Static_assert(
    sizeof(settings) / sizeof(settings[0]) <= (size_t)SETTING_COUNT_MAX,
    "room in the reader");

const struct setting *
setting_at(size_t i)
{
	return i < SETTINGS ? &settings[i] : NULL;
}

const struct setting *
setting_find(const char *name, size_t *at)
{
	for (size_t i = 0; i < SETTINGS; i++)
		if (strcmp(settings[i].name, name) == 0) {
			*at = i;
			return &settings[i];
		}
	return NULL;
}

/* A number with one of the units in `units`, each worth its factor. */
static bool
scaled(const char *text, const char *units, const long *factors, long *out)
{
	const char *unit;
	long factor = 1;
	char *end;

	errno = 0;
	*out = strtol(text, &end, 10);
	if (end == text || errno != 0 || *out < 0)
		return false;
	if (*end != '\0') {
		unit = strchr(units, tolower((unsigned char)*end));
		if (unit == NULL || end[1] != '\0')
			return false;
		factor = factors[unit - units];
	}
	if (*out > LONG_MAX / factor)
		return false;
	*out *= factor;
	return true;
}

/* The place of `word` in "a|b|c"; -1 if it is none of them. */
static long
choice(const char *word, const char *words)
{
	size_t len = strlen(word), n;

	for (long i = 0;; i++) {
		n = strcspn(words, "|");
		if (n == len && strncmp(word, words, n) == 0)
			return i;
		if (words[n] == '\0')
			return -1;
		words += n + 1;
	}
}

static const char *
assign_text(char **field, const char *value)
{
	char *copy = strdup(value);

	if (copy == NULL)
		return "out of memory";
	free(*field);
	*field = copy;
	return NULL;
}

/* Reads a value that is a number in the end; returns what is wrong with it. */
static const char *
read_number(const struct setting *s, const char *value, long *number)
{
	static const long times[] = { 1, 60, 3600, 86400 };
	static const long sizes[] = { 1024, 1024 * 1024 };

	switch (s->kind) {
	case SETTING_TIME:
		return scaled(value, "smhd", times, number)
		    ? NULL
		    : "is no time such as 30s or 5m";
	case SETTING_SIZE:
		return scaled(value, "km", sizes, number)
		    ? NULL
		    : "is no size such as 512, 64k or 1m";
	case SETTING_NUMBER:
		return scaled(value, "", NULL, number) ? NULL : "is no number";
	case SETTING_WORD:
		*number = choice(value, s->words);
		return *number == -1 ? "is none of" : NULL;
	case SETTING_TEXT:
		break;
	}
	return "is of no known kind";
}

bool
setting_assign(const struct setting *s, struct conf *conf, const char *value,
    char fault[SETTING_FAULT_SIZE])
{
	void *field = (char *)conf + s->offset;
	const char *wrong;
	long number = 0;

	if (s->kind == SETTING_TEXT)
		wrong = assign_text(field, value);
	else
		wrong = read_number(s, value, &number);
	if (wrong != NULL) {
		snprintf(fault, SETTING_FAULT_SIZE, "%s%s%s", wrong,
		    s->words != NULL ? " " : "",
		    s->words != NULL ? s->words : "");
		return false;
	}
	if (number < s->least) {
		snprintf(
		    fault, SETTING_FAULT_SIZE, "is less than %ld", s->least);
		return false;
	}
	if (s->kind != SETTING_TEXT)
		*(long *)field = number;
	return true;
}

void
setting_clear(const struct setting *s, struct conf *conf)
{
	char **field = (char **)((char *)conf + s->offset);

	if (s->kind != SETTING_TEXT)
		return;
	free(*field);
	*field = NULL;
}

static bool
is_same(const struct setting *s, const struct conf *a, const struct conf *b)
{
	const void *x = (const char *)a + s->offset;
	const void *y = (const char *)b + s->offset;

	return s->kind == SETTING_TEXT
	    ? strcmp(*(char *const *)x, *(char *const *)y) == 0
	    : *(const long *)x == *(const long *)y;
}

void
setting_tell_fixed(enum setting_fixed where, const char *path,
    const struct conf *old, const struct conf *new)
{
	for (size_t i = 0; i < SETTINGS; i++)
		if (settings[i].fixed & where &&
		    !is_same(&settings[i], old, new))
			log_warning(NULL, "%s: %s counts after a restart", path,
			    settings[i].name);
}
