/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "received.h"

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
		cmocka_unit_test(other_beginnings_have_no_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
