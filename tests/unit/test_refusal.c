/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "odmrd/delivery/refusal.h"

static const enum expect stages[] = { EXPECT_MAIL, EXPECT_RCPT, EXPECT_DATA,
	EXPECT_CHUNK, EXPECT_LAST, EXPECT_DOT };
enum { STAGES = sizeof(stages) / sizeof(stages[0]) };

static enum refusal
of(enum expect what, const char *line)
{
	struct reply reply = { 0 };

	assert_int_equal(reply_line(&reply, line, strlen(line)), REPLY_DONE);
	return refusal_of(what, &reply);
}

static void
at_every_stage(const char *line, enum refusal wanted)
{
	for (size_t i = 0; i < STAGES; i++)
		if (of(stages[i], line) != wanted)
			fail_msg("%s at stage %d is taken for %d", line,
			    stages[i], of(stages[i], line));
}

static void
what_is_out_of_step_or_barred_ends_the_session(void **state)
{
	static const char *const lines[] = { "500 what?", "500 5.5.2 what?",
		"500 5.1.1 what?", "502 no", "502 5.5.1 no", "503 5.5.1 no",
		"503 MAIL first", "521 no mail here", "521 5.3.2 no",
		"530 5.7.0 Must issue a STARTTLS command first",
		"530 Authentication required", "534 5.7.9 weak", "535 no",
		"538 5.7.11 encrypt", "550 5.7.8 who are you", "554 5.7.8" };

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		at_every_stage(lines[i], REFUSAL_OF_SESSION);
}

static void
what_is_about_our_command_or_the_system_is_for_now(void **state)
{
	static const char *const lines[] = { "555 5.5.4 no", "555 what",
		"550 5.5.0 no", "554 5.5.1 no", "553 5.5.4 no", "550 5.7.0 no",
		"554 5.7.0", "552 5.3.1 full", "554 5.3.2 closed",
		"554 5.3.5 loop" };

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		at_every_stage(lines[i], REFUSAL_FOR_NOW);
}

static void
arguments_are_for_now_but_bdat_has_none_to_refuse(void **state)
{
	(void)state;
	for (size_t i = 0; i < STAGES; i++) {
		enum refusal wanted =
		    stages[i] == EXPECT_CHUNK || stages[i] == EXPECT_LAST
		    ? REFUSAL_OF_SESSION
		    : REFUSAL_FOR_NOW;

		assert_int_equal(of(stages[i], "501 5.1.3 bad"), wanted);
		assert_int_equal(of(stages[i], "501 syntax"), wanted);
		assert_int_equal(of(stages[i], "504 5.5.4 no"), wanted);
	}
}

static void
what_is_about_the_message_is_a_verdict(void **state)
{
	static const char *const lines[] = { "550 5.1.1 no such user", "550 no",
		"551 5.1.6 moved", "553 5.1.3 bad", "554 no", "554 5.6.0 no",
		"554 5.7.1 spam", "550 5.7.01 odd", "554 5.3.4 too big",
		"550 5.3.10 odd", "556 5.1.10 null MX", "550 5.50.1 odd",
		"550 15.5.1 odd", "571 5.7.1 no" };

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		at_every_stage(lines[i], REFUSAL_OF_MESSAGE);
}

static void
too_many_recipients_is_for_now_at_rcpt_alone(void **state)
{
	(void)state;
	assert_int_equal(
	    of(EXPECT_RCPT, "552 5.5.3 too many"), REFUSAL_FOR_NOW);
	assert_int_equal(of(EXPECT_RCPT, "552 too many"), REFUSAL_FOR_NOW);
	assert_int_equal(
	    of(EXPECT_RCPT, "552 5.2.2 mailbox full"), REFUSAL_FOR_NOW);
	assert_int_equal(of(EXPECT_MAIL, "552 too large"), REFUSAL_OF_MESSAGE);
	assert_int_equal(
	    of(EXPECT_DOT, "552 5.3.4 too large"), REFUSAL_OF_MESSAGE);
	assert_int_equal(
	    of(EXPECT_LAST, "552 5.2.2 mailbox full"), REFUSAL_OF_MESSAGE);
}

static void
what_is_softened_has_a_code_of_smtp(void **state)
{
	(void)state;
	for (int code = 500; code < 600; code++) {
		int soft = refusal_softened(code);

		assert_true(
		    soft == 450 || soft == 451 || soft == 452 || soft == 455);
	}
	assert_int_equal(refusal_softened(550), 450);
	assert_int_equal(refusal_softened(552), 452);
	assert_int_equal(refusal_softened(503), 451);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    what_is_out_of_step_or_barred_ends_the_session),
		cmocka_unit_test(
		    what_is_about_our_command_or_the_system_is_for_now),
		cmocka_unit_test(
		    arguments_are_for_now_but_bdat_has_none_to_refuse),
		cmocka_unit_test(what_is_about_the_message_is_a_verdict),
		cmocka_unit_test(too_many_recipients_is_for_now_at_rcpt_alone),
		cmocka_unit_test(what_is_softened_has_a_code_of_smtp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
