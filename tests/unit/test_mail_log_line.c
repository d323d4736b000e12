/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/postfix/mail_log_line.h"

#define SMTP  "Nov 22 06:05:51 relay postfix/relay/smtp[29479]: "
#define ERROR "Nov 22 06:05:51 relay postfix/error[29480]: "
#define QMGR  "Nov 22 06:05:51 relay postfix/qmgr[29304]: "
#define TIMES "delay=0.05, delays=0.01/0.01/0/0.02, "
#define HOST  "relay=mx.b.test[192.0.2.1]:25, "

static char buffer[4096];

static bool
reads(struct mail_log_line *line, const char *text)
{
	assert_true(strlen(text) < sizeof(buffer));
	strcpy(buffer, text);
	memset(line, 0, sizeof(*line));
	return mail_log_line_read(line, buffer);
}

static void
assert_unread(const char *text)
{
	struct mail_log_line line;

	if (reads(&line, text))
		fail_msg("taken for an outcome: %s", text);
}

static void
deliveries_are_read(void **state)
{
	struct mail_log_line line;

	(void)state;
	assert_true(reads(&line,
	    SMTP "4jXJTq5h6xz1bl6D: to=<R@B.Test>, " HOST TIMES
		 "dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as C)"));
	assert_int_equal(line.event, MAIL_SENT);
	assert_string_equal(line.queue_id, "4jXJTq5h6xz1bl6D");
	assert_string_equal(line.local, "R");
	assert_string_equal(line.domain, "b.test");
	assert_string_equal(line.answer, "250 2.0.0 Ok: queued as C");
	assert_false(line.by_socket);

	assert_true(reads(&line,
	    SMTP "C1: to=<r@B\303\234cher.test>, " HOST TIMES
		 "dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as C)"));
	assert_string_equal(line.domain, "xn--bcher-kva.test");

	assert_true(reads(&line,
	    SMTP "C1: to=<r@b.test>, orig_to=<\"x> y\"@a.test>, " HOST
		 "conn_use=3, " TIMES "dsn=5.1.1, status=bounced "
		 "(host mx.b.test[192.0.2.1] said: 550 5.1.1 no such user "
		 "(in reply to RCPT TO command))"));
	assert_int_equal(line.event, MAIL_BOUNCED);
	assert_true(line.by_server);
	assert_string_equal(line.answer,
	    "host mx.b.test[192.0.2.1] said: 550 5.1.1 no such user "
	    "(in reply to RCPT TO command)");

	assert_true(reads(&line,
	    SMTP "C1: to=<r@b.test>, relay=none, " TIMES
		 "dsn=4.4.1, status=deferred (connect to "
		 "127.0.0.1[127.0.0.1]:41: Connection refused)"));
	assert_int_equal(line.event, MAIL_DEFERRED);
	assert_false(line.by_server);
}

static void
instances_and_iso_stamps_are_read(void **state)
{
	struct mail_log_line line;

	(void)state;
	assert_true(reads(&line,
	    "2026-11-22T06:05:51.123456+00:00 relay postfix-out/smtp[1]: "
	    "C1: to=<r@b.test>, " HOST TIMES "dsn=2.0.0, status=sent (250 x)"));
	assert_int_equal(line.event, MAIL_SENT);
	assert_true(reads(&line,
	    "2026-11-22T06:05:51Z relay postfix-out/qmgr[1]: C1: removed"));
	assert_int_equal(line.event, MAIL_REMOVED);
}

static void
deliveries_to_a_socket_are_known(void **state)
{
	struct mail_log_line line;

	(void)state;
	assert_true(reads(&line,
	    SMTP "C1: to=<r@b.test>, relay=relay.test[odmr/b.test], " TIMES
		 "dsn=2.0.0, status=sent (250 x)"));
	assert_true(line.by_socket);
	assert_true(reads(&line,
	    SMTP "C1: to=<r@b.test>, relay=none, " TIMES
		 "dsn=4.4.1, status=deferred (delivery temporarily suspended: "
		 "connect to relay.test[odmr/b.test]: No such file)"));
	assert_true(line.by_socket);
	/* Given up by lmtp(8) itself. */
	assert_true(reads(&line,
	    SMTP "C1: to=<r@b.test>, relay=relay.test[odmr/b.test], " TIMES
		 "dsn=5.3.4, status=bounced (message size 9 exceeds size "
		 "limit 8 of server relay.test[odmr/b.test])"));
	assert_true(line.by_socket);
	assert_false(line.by_server);
}

static void
endings_are_read(void **state)
{
	struct mail_log_line line;

	(void)state;
	assert_true(reads(&line, QMGR "C1: removed"));
	assert_int_equal(line.event, MAIL_REMOVED);
	assert_true(reads(
	    &line, "Nov  2 06:05:55 relay postfix/postsuper[2]: C1: removed"));
	assert_int_equal(line.event, MAIL_DELETED);
	assert_true(reads(
	    &line, QMGR "C1: from=<>, status=expired, returned to sender"));
	assert_int_equal(line.event, MAIL_EXPIRED);
	assert_true(reads(&line,
	    QMGR
	    "C1: from=<a@b.test>, status=force-expired, returned to sender"));
	assert_int_equal(line.event, MAIL_EXPIRED);
}

static void
addresses_are_no_outcome(void **state)
{
	static const char forged[] =
	    ", relay=none, " TIMES "dsn=2.0.0, status=sent (250 ok)";
	char text[2048];
	struct mail_log_line line;

	(void)state;
	snprintf(text, sizeof(text),
	    SMTP "C1: to=<\"q\\\"x>%s\"@b.test>, relay=none, " TIMES
		 "dsn=4.4.1, status=deferred (no)",
	    forged);
	assert_true(reads(&line, text));
	assert_int_equal(line.event, MAIL_DEFERRED);
	assert_string_equal(line.local,
	    "q\"x>, relay=none, " TIMES "dsn=2.0.0, status=sent (250 ok)");

	/* Postfix writes a domain's quotes not. */
	snprintf(text, sizeof(text),
	    ERROR "C1: to=<w@b.test>%s>, relay=none, " TIMES
		  "dsn=5.1.3, status=bounced (bad address syntax)",
	    forged);
	assert_unread(text);
	snprintf(
	    text, sizeof(text), ERROR "C1: to=<w@b.test>%s%01000d", forged, 0);
	assert_unread(text);
	assert_unread(
	    SMTP "C1: to=<w@b.test>, status=sent (ok)>, "
		 "relay=none, " TIMES "dsn=5.1.3, status=bounced (bad)");
	snprintf(text, sizeof(text),
	    SMTP "C1: to=<r@b.test>, orig_to=<\"w>%s\"@x>, " HOST TIMES
		 "dsn=4.0.0, status=deferred (no)",
	    forged);
	assert_true(reads(&line, text));
	assert_int_equal(line.event, MAIL_DEFERRED);
	assert_unread(QMGR "C1: from=<\"e>, status=expired, returned to "
			   "sender\"@a.test>, size=1, nrcpt=1 (queue active)");
	snprintf(text, sizeof(text),
	    QMGR "C1: from=<%01000d>, status=expired, returned to sender", 0);
	assert_unread(text);
}

static void
answers_are_no_outcome(void **state)
{
	struct mail_log_line line;

	(void)state;
	assert_true(reads(&line,
	    SMTP "C1: to=<r@b.test>, " HOST TIMES
		 "dsn=4.0.0, status=deferred (host mx said: 450 "
		 "C2: to=<r@b.test>, status=sent (250 ok))"));
	assert_int_equal(line.event, MAIL_DEFERRED);
	assert_string_equal(line.queue_id, "C1");
	assert_unread("Nov 22 06:05:51 relay dovecot: " SMTP "C1: removed");
	assert_unread("Nov 22 06:05:51 relay postfix/smtpd[9]: C1: removed");
	assert_unread(SMTP "C1: to=<r@b.test>, " HOST TIMES
			   "dsn=2.0.0, status=deliverable (250 ok)");
}

/* As Postfix wrote them of a host that answers so. */
static void
an_answer_cannot_hide_its_delivery(void **state)
{
	static const char *const answers[] = {
		"250 2.0.0 Ok >, relay=x",
		"250-a >, relay=x 250 2.0.0 b",
		"250 2.0.0 Ok >, relay=none, delay=1, delays=0/0/0/1, "
		"dsn=5.1.3, status=bounced (bad address syntax)",
		"250 2.0.0 Ok)>, orig_to=<x@b.test>, relay=x[odmr/x], "
		"delay=1, delays=0/0/0/1, dsn=4.0.0, status=deferred (no",
		"250 ",
	};
	struct mail_log_line line;
	char text[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		snprintf(text, sizeof(text),
		    SMTP "C1: to=<\"a>, relay=x\"@b.test>, "
			 "orig_to=<\"a>, relay=x\"@a.test>, " HOST
			 "conn_use=2, " TIMES "dsn=2.0.0, status=sent (%s)",
		    answers[i]);
		assert_true(reads(&line, text));
		assert_int_equal(line.event, MAIL_SENT);
		assert_string_equal(line.local, "a>, relay=x");
		assert_string_equal(line.answer, answers[i]);
		assert_false(line.by_socket);
	}
	snprintf(text, sizeof(text),
	    SMTP "C1: to=<r@b.test>, " HOST TIMES
		 "dsn=2.0.0, status=sent (250 %01500d)",
	    0);
	assert_true(reads(&line, text));
	assert_int_equal(line.event, MAIL_SENT);
}

/* By a syslogd: what is cut off is the answer's. */
static void
a_line_that_was_cut_in_its_answer_is_read(void **state)
{
	struct mail_log_line line;

	(void)state;
	assert_true(reads(&line,
	    SMTP "C1: to=<r@b.test>, " HOST TIMES
		 "dsn=2.0.0, status=sent (250 o"));
	assert_int_equal(line.event, MAIL_SENT);
	assert_string_equal(line.answer, "250 o");
}

static void
every_beginning_up_to_the_answer_is_unread(void **state)
{
	static const char whole[] = SMTP
	    "C1: to=<\"a\\\"\"@b.test>, orig_to=<\"o\"@b.test>, " HOST TIMES
	    "dsn=2.0.0, status=sent (";
	struct mail_log_line line;
	char *text;

	(void)state;
	assert_true(reads(&line, whole));
	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		text = strndup(whole, len); /* ends where the sanitizer sees */
		assert_false(mail_log_line_read(&line, text));
		free(text);
	}
}

static void
stamps_are_times(void **state)
{
	const time_t now = 1795327551; /* 2026-11-22T06:05:51Z */

	(void)state;
	setenv("TZ", "UTC", 1);
	assert_int_equal(mail_log_time("Nov 22 06:05:51 r", now), now);
	assert_int_equal(mail_log_time("Nov  1 00:00:00 r", now), 1793491200);
	/* Last year's: it is no December yet. */
	assert_int_equal(mail_log_time("Dec 31 00:00:00 r", now), 1767139200);
	assert_int_equal(
	    mail_log_time("2026-11-22T07:05:51.12+01:00 r", now), now);
	assert_int_equal(mail_log_time("2026-11-22T06:05:50Z r", now), now - 1);
	assert_int_equal(mail_log_time("2026-11-22T06:05:49 r", now), now - 2);
	assert_int_equal(mail_log_time("2026-13-22T06:05:49 r", now), now);
	assert_int_equal(mail_log_time("Foo 22 06:05:51 r", now), now);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deliveries_are_read),
		cmocka_unit_test(instances_and_iso_stamps_are_read),
		cmocka_unit_test(deliveries_to_a_socket_are_known),
		cmocka_unit_test(endings_are_read),
		cmocka_unit_test(addresses_are_no_outcome),
		cmocka_unit_test(answers_are_no_outcome),
		cmocka_unit_test(an_answer_cannot_hide_its_delivery),
		cmocka_unit_test(a_line_that_was_cut_in_its_answer_is_read),
		cmocka_unit_test(every_beginning_up_to_the_answer_is_unread),
		cmocka_unit_test(stamps_are_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
