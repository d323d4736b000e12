/* SPDX-License-Identifier: ISC */
/*
 * odmrctl setup: what main.cf has to say. postfix-conf/main.cf has the reason
 * for each line.
 */
#include <ctype.h>
#include <err.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/endpoint.h"
#include "setup.h"

/* Our table comes first: a domain that the operator has moved to us may still
 * have its old route in his own. Our filter as well: what it takes are names
 * that nothing else in ETRN has, and a rule for all lines before it would hide
 * it. Our milter comes last: it changes nothing that another could miss, and
 * what another refuses or discards it need not write down. By then the queue id
 * is the one that the message keeps, for smtpd(8) opens the queue file once. */
const struct wish wishes[] = {
	{ "relay_domains", WISH_LAST, "%d", NULL },
	{ "transport_maps", WISH_FIRST, "%d", NULL },
	{ "fast_flush_domains", WISH_LAST, "%d", "$relay_domains" },
	{ "fast_flush_domains", WISH_LAST, "%e", "$relay_domains" },
	{ "fast_flush_domains", WISH_LAST, "regexp:%c/etrn_flush",
	    "$relay_domains" },
	{ "parent_domain_matches_subdomains", WISH_ABSENT, "relay_domains",
	    NULL },
	{ "parent_domain_matches_subdomains", WISH_ABSENT, "fast_flush_domains",
	    NULL },
	{ "smtpd_milters", WISH_MILTER, "%m", NULL },
	{ "non_smtpd_milters", WISH_MILTER, "%m", NULL },
	{ "enable_long_queue_ids", WISH_VALUE, "yes", NULL },
	{ "maximal_queue_lifetime", WISH_LEAST, "7d", NULL },
	{ "bounce_queue_lifetime", WISH_LEAST, "7d", NULL },
	{ "delay_warning_time", WISH_MOST, "0h", NULL },
	{ "smtpd_etrn_restrictions", WISH_ETRN,
	    "check_policy_service { unix:private/etrn-policy, "
	    "{ default_action = 458 4.3.0 Unable to queue messages } }",
	    NULL },
	{ "etrn-policy_time_limit", WISH_LEAST, "3600s", NULL },
	{ "smtpd_command_filter", WISH_FIRST,
	    "unionmap:{ regexp:%c/etrn_filter, "
	    "pipemap:{ regexp:%c/etrn_utf8, %e }}",
	    NULL },
	{ "smtpd_tls_fingerprint_digest", WISH_DIGEST, "sha256", NULL },
	{ "odmr_destination_concurrency_limit", WISH_UNSET, "200", NULL },
	{ "odmr_initial_destination_concurrency", WISH_UNSET, "200", NULL },
	{ "odmr_destination_concurrency_failed_cohort_limit", WISH_UNSET, "1",
	    NULL },
	{ "odmr_destination_recipient_limit", WISH_UNSET, "100", NULL },
	{ "authorized_flush_users", WISH_USER, "%u", NULL },
	{ "authorized_mailq_users", WISH_USER, "%u", NULL },
};
const size_t wish_count = sizeof(wishes) / sizeof(wishes[0]);

/* ---- templates ----------------------------------------------------------- */

/* As smtpd(8) finds it in its jail, too. */
static void
put_milter_address(FILE *out, const struct setup *setup)
{
	const char *queue = postfix_setting(&setup->postfix, "queue_directory");
	struct endpoint socket;
	const char *path = endpoint_socket(&socket, setup->conf->milter_socket);
	size_t len = strlen(queue);

	if (path == NULL)
		fprintf(out,
		    strchr(socket.host, ':') != NULL ? "inet:[%s]:%s"
						     : "inet:%s:%s",
		    socket.host[0] != '\0' ? socket.host : "127.0.0.1",
		    socket.port);
	else if (strncmp(path, queue, len) == 0 && path[len] == '/')
		fprintf(out, "unix:%s", path + len + 1);
	else
		fprintf(out, "unix:%s", path);
}

/* Of a program of ours: it is installed where this one is. */
static void
put_program(FILE *out, const char *name)
{
	char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (len == -1)
		err(EX_OSERR, "/proc/self/exe");
	path[len] = '\0';
	fprintf(out, "%.*s/%s", (int)(strrchr(path, '/') - path), path, name);
}

static void
put_conf_path(FILE *out, const struct setup *setup, bool directory)
{
	const char *path = setup->ctx->conf_path;
	char *whole = path[0] == '/' ? NULL : must(realpath(path, NULL));

	if (whole != NULL)
		path = whole;
	fprintf(out, "%.*s",
	    directory ? (int)(strrchr(path, '/') - path) : (int)strlen(path),
	    path);
	free(whole);
}

static void
put(FILE *out, const struct setup *setup, char what)
{
	const struct conf *conf = setup->conf;

	switch (what) {
	case 'd':
		fputs(conf->domain_table, out);
		break;
	case 'e':
		fputs(conf->etrn_table, out);
		break;
	case 'c':
	case 'f':
		put_conf_path(out, setup, what == 'c');
		break;
	case 'm':
		fputs("{ ", out);
		put_milter_address(out, setup);
		fputs(", default_action=accept, connect_timeout=5s, "
		      "command_timeout=10s, content_timeout=10s }",
		    out);
		break;
	case 'p':
		put_program(out, "etrn-trigger");
		break;
	case 'u':
		fputs(conf->user, out);
		break;
	case 'g':
		fputs(conf->flush_group, out);
		break;
	case 's':
		fputs(conf->submission_server, out);
		break;
	}
}

char *
wish_text(const struct setup *setup, const char *template)
{
	char *text = NULL;
	size_t len;
	FILE *out = must(open_memstream(&text, &len));

	for (; *template != '\0'; template ++)
		if (*template == '%')
			put(out, setup, *++template);
		else
			putc(*template, out);
	if (fclose(out) == EOF)
		err(EX_OSERR, "out of memory");
	return text;
}

/* ---- lists --------------------------------------------------------------- */

/* Within braces people put white space as they like. */
static bool
is_same_text(const char *word, size_t len, const char *text)
{
	const char *end = word + len;

	for (;; word++, text++) {
		while (word < end && isspace((unsigned char)*word))
			word++;
		while (isspace((unsigned char)*text))
			text++;
		if (word == end || *text == '\0')
			return word == end && *text == '\0';
		if (*word != *text)
			return false;
	}
}

/* "unix:PATH" or "inet:HOST:PORT", alone or in braces with its options. */
bool
wish_is_milter(const struct setup *setup, const char *word, size_t len)
{
	const char *queue = postfix_setting(&setup->postfix, "queue_directory");
	char *ours = wish_text(setup, "%m"), *list, *found, *whole;
	const char *rest, *address, *at = ours + strlen("{ ");
	size_t n;
	bool same;

	list = word[0] == '{' ? must(strndup(word + 1, len - 1))
			      : must(strndup(word, len));
	rest = list;
	n = postfix_word(&rest, &address);
	while (n > 0 && address[n - 1] == '}')
		n--;
	found = must(strndup(address, n));
	ours[strcspn(ours, ",")] = '\0';
	whole = strncmp(at, "unix:", 5) == 0 && at[5] != '/'
	    ? setup_text("unix:%s/%s", queue, at + 5)
	    : setup_text("%s", at);
	same = strcmp(found, at) == 0 || strcmp(found, whole) == 0;
	free(whole);
	free(found);
	free(list);
	free(ours);
	return same;
}

int
wish_listed(
    const struct setup *setup, const struct wish *wish, const char *list)
{
	static const char proxy[] = "proxy:";
	char *text = wish_text(setup, wish->value);
	const char *word;
	int listed = 0;
	size_t len;

	while ((len = postfix_word(&list, &word)) > 0) {
		if (wish->kind == WISH_MILTER) {
			listed += wish_is_milter(setup, word, len);
			continue;
		}
		if (len > strlen(proxy) && strncmp(word, proxy, 6) == 0) {
			word += strlen(proxy);
			len -= strlen(proxy);
		}
		listed += is_same_text(word, len, text);
	}
	free(text);
	return listed;
}
