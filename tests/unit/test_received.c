/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/received.h"

static void
expect(const char *head, const char *expected)
{
	char id[20] = "unset";

	if (expected == NULL) {
		assert_false(
		    received_queue_id(head, strlen(head), id, sizeof(id)));
		return;
	}
	assert_true(received_queue_id(head, strlen(head), id, sizeof(id)));
	assert_string_equal(id, expected);
}

static void
mail_by_smtp_has_its_id_on_the_by_line(void **state)
{
	(void)state;
	expect("Received: from mx.test (mx.test [192.0.2.1])\r\n"
	       "\t(using TLSv1.3 with cipher X (256/256 bits))\r\n"
	       "\tby mail.test (Postfix) with ESMTPS id 4jX84810Ssz1bYyF\r\n"
	       "\tfor <a@example.org>; Sat, 21 Nov 2026 23:46:32 +0000\r\n",
	    "4jX84810Ssz1bYyF");
}

static void
mail_by_sendmail_has_its_id_on_a_line_of_its_own(void **state)
{
	(void)state;
	expect("Received: by mail.test (Postfix, from userid 0)\r\n"
	       "\tid 4jX8481J4cz1bYyZ; Sat, 21 Nov 2026 23:46:32 +0000\r\n",
	    "4jX8481J4cz1bYyZ");
}

static void
what_a_client_says_of_itself_is_not_believed(void **state)
{
	(void)state;
	expect("Received: from x by y (Postfix) with ESMTP id FORGED1 "
	       "(unknown [192.0.2.1])\r\n"
	       "\tby mail.test (Postfix) with ESMTP id 4REAL\r\n"
	       "\tfor <\"a id FORGED2\"@example.org>; date\r\n",
	    "4REAL");
}

static const char *
earlier(const char *head)
{
	static char id[20];

	return received_earlier_id(head, strlen(head), id, sizeof(id)) ? id
								       : "";
}

#define SECOND                                                                 \
	"Received: from localhost (unknown [127.0.0.1])\r\n"                   \
	"\tby mail.test (Postfix) with ESMTP id 4SECOND;\r\n\tdate\r\n"
#define FILTER                                                                 \
	"Received: from mail.test ([127.0.0.1])\r\n"                           \
	"\tby filter (amavis, port 10024) with ESMTP id OTHER;\r\n\tdate\r\n"
#define FIRST                                                                  \
	"Received: from x by mail.test id FORGED (mx [192.0.2.1])\r\n"         \
	"\tby mail.test (Postfix) with ESMTPS id 4FIRST\r\n"                   \
	"\tfor <a@example.org>; date\r\n"

static void
what_comes_again_has_had_an_earlier_id(void **state)
{
	(void)state;
	assert_string_equal(earlier(SECOND FILTER FIRST "\r\n"), "4FIRST");
	assert_string_equal(earlier("Received: by mail.test (Postfix, from "
				    "userid 9)\r\n\tid 4SECOND; date\r\n"
				    "Return-Path: <s@t>\r\n" FIRST "\r\n"),
	    "4FIRST");
	assert_string_equal(
	    earlier(SECOND "Received: by mail.test (Postfix, from userid "
			   "0)\r\n\tid 4FIRST; date\r\n\r\n"),
	    "4FIRST");
	assert_string_equal(earlier(SECOND FILTER "\r\n" FIRST), "");
	assert_string_equal(earlier(SECOND "Subject: \r\n\tby mail.test "
					   "(Postfix) with SMTP id X\r\n"),
	    "");
	assert_string_equal(earlier("\r\n"), "");
}

static void
one_field_is_read_as_a_milter_gets_it(void **state)
{
	char id[20];

	(void)state;
	assert_true(
	    received_value_id("from x by y (Postfix) with SMTP id FORGED\n"
			      "\tby mail.test (Postfix) with ESMTP id 4X;\n"
			      "\tdate",
		id, sizeof(id)));
	assert_string_equal(id, "4X");
	assert_true(received_value_id(
	    "by mail.test (Postfix, from userid 0)\n\tid 4Y; date", id,
	    sizeof(id)));
	assert_string_equal(id, "4Y");
	assert_false(received_value_id("from x id FORGED", id, sizeof(id)));
	assert_false(received_value_id("", id, sizeof(id)));
}

static void
other_beginnings_have_no_id(void **state)
{
	(void)state;
	expect("", NULL);
	expect("Received: ", NULL);
	expect("Subject: x\r\nReceived: by m (Postfix)\r\n\tid 4A;\r\n", NULL);
	expect("Received: from a\r\nSubject: b\r\n\tby c id 4D\r\n", NULL);
	expect("Received: from a\r\n\tby c (Postfix) with ESMTP id 4CUT", NULL);
	expect("Received: from a\r\n\tby c with HTTP\r\n\tid 4X\r\n", NULL);
	expect(
	    "Received: from a\r\n\tby c id 4JX84810SSZ1BYYF7TOOLONG\r\n", NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail_by_smtp_has_its_id_on_the_by_line),
		cmocka_unit_test(
		    mail_by_sendmail_has_its_id_on_a_line_of_its_own),
		cmocka_unit_test(what_a_client_says_of_itself_is_not_believed),
		cmocka_unit_test(what_comes_again_has_had_an_earlier_id),
		cmocka_unit_test(one_field_is_read_as_a_milter_gets_it),
		cmocka_unit_test(other_beginnings_have_no_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
