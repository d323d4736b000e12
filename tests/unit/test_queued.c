/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/postfix/queued.h"

#define LINE(id, sender, recipients)                                           \
	"{\"queue_name\": \"deferred\", \"queue_id\": " id ", "                \
	"\"arrival_time\": 1700000000, \"message_size\": 330, "                \
	"\"forced_expire\": false, \"sender\": " sender ", "                   \
	"\"recipients\": " recipients "}"

static const char *
read_line(struct queued *message, const char *text)
{
	static char line[2048];

	snprintf(line, sizeof(line), "%s", text);
	return queued_read(message, line, strlen(line));
}

/* The addresses, one after the other. */
static void
expect_recipients(const char *recipients, const char *found)
{
	char line[2048], text[512] = "";
	struct queued message;

	snprintf(line, sizeof(line), LINE("\"4X\"", "\"\"", "%s"), recipients);
	assert_null(read_line(&message, line));
	for (size_t i = 0; i < message.recipients.count; i++) {
		assert_string_equal(message.recipients.all[i].domain,
		    strrchr(message.recipients.all[i].address, '@') + 1);
		sprintf(text + strlen(text), "%s ",
		    message.recipients.all[i].address);
	}
	assert_string_equal(text, found);
	queued_clear(&message);
}

static void
fields_are_those_of_the_line(void **arg)
{
	struct queued message;

	(void)arg;
	assert_null(read_line(&message,
	    LINE("\"4XyZ\"", "\"s@sender.test\"",
		"[{\"address\": \"r@a.test\", \"delay_reason\": \"no\"}]")));
	assert_string_equal(message.queue, "deferred");
	assert_string_equal(message.queue_id, "4XyZ");
	assert_string_equal(message.sender, "s@sender.test");
	assert_int_equal(message.size, 330);
	assert_int_equal(message.arrived, 1700000000);
	assert_int_equal(message.recipients.count, 1);
	assert_string_equal(message.recipients.all[0].reason, "no");
	queued_clear(&message);
	assert_int_equal(message.recipients.count, 0);
}

static void
recipients_are_sorted_canonical_and_only_once(void **arg)
{
	(void)arg;
	expect_recipients("[{\"address\": \"b@B.test\"}, "
			  "{\"address\": \"A@b.test.\"}, "
			  "{\"address\": \"B@b.TEST\"}, "
			  "{\"address\": \"z@a.test\"}]",
	    "z@a.test A@b.test b@b.test ");
}

static void
recipients_without_a_relay_domain_are_left_out(void **arg)
{
	(void)arg;
	expect_recipients("[{\"address\": \"local\"}, "
			  "{\"address\": \"@b.test\"}, "
			  "{\"address\": \"x@[192.0.2.1]\"}, "
			  "{\"address\": \"x@one\"}, "
			  "{\"address\": \"\\\"a@x\\\"@b.test\"}]",
	    "\"a@x\"@b.test ");
}

static void
recipients_that_are_listed_in_two_ways_are_one(void **arg)
{
	(void)arg;
	expect_recipients("[{\"address\": \"?@b.test\"}, "
			  "{\"address\": \"\\\"?\\\"@b.test\"}, "
			  "{\"address\": \"a\\nforged@b.test\"}]",
	    "?@b.test a?forged@b.test ");
}

static void
null_sender_has_no_name(void **arg)
{
	struct queued message;

	(void)arg;
	assert_null(
	    read_line(&message, LINE("\"4X\"", "\"MAILER-DAEMON\"", "[]")));
	assert_string_equal(message.sender, "");
	queued_clear(&message);
}

static void
bytes_that_are_no_utf_8_are_question_marks(void **arg)
{
	struct queued message;

	(void)arg;
	assert_null(
	    read_line(&message, LINE("\"4X\"", "\"\xe9t\xe9@x\"", "[]")));
	assert_string_equal(message.sender, "?t?@x");
	queued_clear(&message);
}

static void
unfit_lines_are_told(void **arg)
{
	static const struct {
		const char *line, *fault;
	} unfit[] = {
		{ "", "no JSON object" },
		{ "[]", "no JSON object" },
		{ "{} {}", "no JSON object" },
		{ "{}", "no queue id" },
		{ LINE("4", "\"\"", "[]"), "no queue id" },
		{ LINE("\"\"", "\"\"", "[]"), "no queue id" },
		{ LINE("\"../4X\"", "\"\"", "[]"), "no queue id" },
		{ LINE("\"4X\"", "null", "[]"), "a field is missing" },
		{ "{\"queue_id\": \"4X\"}", "a field is missing" },
		{ LINE("\"4X\"", "\"\"", "{}"), "no recipients" },
		{ LINE("\"4X\"", "\"\"", "[\"a@b.test\"]"),
		    "a recipient without address" },
		{ LINE("\"4X\"", "\"\"", "[{\"address\": 1}]"),
		    "a recipient without address" },
	};
	struct queued message;

	(void)arg;
	for (size_t i = 0; i < sizeof(unfit) / sizeof(unfit[0]); i++)
		assert_string_equal(
		    read_line(&message, unfit[i].line), unfit[i].fault);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_those_of_the_line),
		cmocka_unit_test(recipients_are_sorted_canonical_and_only_once),
		cmocka_unit_test(
		    recipients_without_a_relay_domain_are_left_out),
		cmocka_unit_test(
		    recipients_that_are_listed_in_two_ways_are_one),
		cmocka_unit_test(null_sender_has_no_name),
		cmocka_unit_test(bytes_that_are_no_utf_8_are_question_marks),
		cmocka_unit_test(unfit_lines_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
