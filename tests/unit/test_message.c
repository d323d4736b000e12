/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "milter/message.h"

static void
begin(struct message *message, const char *sender)
{
	const char *argv[] = { sender, NULL };

	message_begin(message, argv);
}

static void
add(struct message *message, const char *recipient)
{
	message_recipient(message, recipient);
}

/* What a message with this one recipient has as its address, "-" if none. */
static void
expect(const char *recipient, const char *address)
{
	struct message message = { 0 };

	begin(&message, "<>");
	add(&message, recipient);
	if (address == NULL) {
		if (message.recipients.count != 0)
			fail_msg("%s: taken as %s", recipient,
			    message.recipients.all[0].address);
	} else {
		if (message.recipients.count != 1)
			fail_msg("%s: not taken", recipient);
		assert_string_equal(message.recipients.all[0].address, address);
		assert_string_equal(message.recipients.all[0].domain,
		    strrchr(address, '@') + 1);
	}
	assert_false(message.broken);
	message_clear(&message);
}

static void
recipients_are_reduced_to_local_part_and_canonical_domain(void **state)
{
	(void)state;
	expect("<user@example.org>", "user@example.org");
	expect("user@example.org", "user@example.org");
	expect(" <User@EXAMPLE.Org> ", "User@example.org");
	expect("<u@B\303\234cher.example>", "u@xn--bcher-kva.example");
	expect("<u@bu\314\210cher.example.>", "u@xn--bcher-kva.example");
	expect("<\303\274@b\303\274cher.example>",
	    "\303\274@xn--bcher-kva.example");
	expect("<u@b\374cher.example>", NULL);
	expect("<user@example.org.>", "user@example.org");
}

static void
source_routes_are_cut_off(void **state)
{
	(void)state;
	expect("<@a.test,@b.test:user@example.org>", "user@example.org");
	expect("<@[IPv6:2001:db8::1]:user@example.org>", "user@example.org");
	expect("<@a.test:\"x:y\"@example.org>", "\"x:y\"@example.org");
	expect("<us:er@example.org>", "us:er@example.org");
}

static void
at_signs_within_quotes_are_part_of_the_local_part(void **state)
{
	(void)state;
	expect("<\"a@b.test\"@example.org>", "\"a@b.test\"@example.org");
	expect(
	    "<\"a\\\"@b.test\"@example.org>", "\"a\\\"@b.test\"@example.org");
	expect("<\"a@b.test\">", NULL);
	expect("<\"<a>\"@example.org>", "\"<a>\"@example.org");
}

static void
control_characters_and_quotes_are_as_postfix_lists_them(void **state)
{
	(void)state;
	expect("\"\001\"@example.org", "?@example.org");
	expect("\"?\"@example.org", "?@example.org");
	expect("\"a.b\177\"@example.org", "a.b?@example.org");
	expect("\"a b\n\"@example.org", "\"a b?\"@example.org");
	expect("\"a\\\"\r\"@example.org", "\"a\\\"?\"@example.org");
	expect("\"a..b\"@example.org", "\"a..b\"@example.org");
	expect("\".a\"@example.org", "\".a\"@example.org");
	expect("\"\"@example.org", "\"\"@example.org");
	expect("\"@example.org", "\"@example.org");
	expect("<us\ner@example.org>", "us?er@example.org");
	expect("\"\001\"", NULL);
}

static void
addresses_that_no_relay_domain_can_have_are_left_out(void **state)
{
	(void)state;
	expect("<postmaster>", NULL);
	expect("<user@[192.0.2.1]>", NULL);
	expect("<user@localhost>", NULL);
	expect("<@example.org>", NULL);
	expect("<user@>", NULL);
	expect("<user@example.org..>", NULL);
	expect("<>", NULL);
	expect("<", NULL);
	expect("", NULL);
}

static void
the_null_sender_is_empty_and_others_lose_their_brackets(void **state)
{
	struct message message = { 0 };

	(void)state;
	begin(&message, "<>");
	assert_string_equal(message.sender, "");
	begin(&message, "<a@b.test>");
	assert_string_equal(message.sender, "a@b.test");
	begin(&message, "<@r.test:a@b.test>");
	assert_string_equal(message.sender, "a@b.test");
	message_clear(&message);
	assert_null(message.sender);
}

static int64_t
size_of(const char *first, const char *second)
{
	struct message message = { 0 };
	const char *argv[] = { (char *)(uintptr_t) "<>",
		(char *)(uintptr_t)first, (char *)(uintptr_t)second, NULL };
	int64_t size;

	message_begin(&message, argv);
	size = message.size;
	message_clear(&message);
	return size;
}

static void
size_is_what_was_announced_or_zero(void **state)
{
	(void)state;
	assert_int_equal(size_of("SIZE=1234", NULL), 1234);
	assert_int_equal(size_of("BODY=8BITMIME", "size=99"), 99);
	assert_int_equal(size_of("BODY=8BITMIME", NULL), 0);
	assert_int_equal(size_of("SIZE=", NULL), 0);
	assert_int_equal(size_of("SIZE=-5", NULL), 0);
	assert_int_equal(size_of("SIZE=5x", NULL), 0);
	assert_int_equal(size_of("SIZE=99999999999999999999", NULL), 0);
}

static void
expect_share(const struct message *message, size_t *next, const char *domain,
    const char *addresses)
{
	struct share share;
	char *text;

	assert_true(recipients_share(&message->recipients, next, &share));
	assert_string_equal(share.domain, domain);
	text = share_addresses(&share);
	assert_string_equal(text, addresses);
	free(text);
}

static void
recipients_are_shared_out_by_domain_each_once(void **state)
{
	struct message message = { 0 };
	struct share share;
	size_t next = 0;

	(void)state;
	begin(&message, "<>");
	add(&message, "<z@example.org>");
	add(&message, "<a@example.net>");
	add(&message, "<a@example.org>");
	add(&message, "<A@Example.Org>");
	add(&message, "<z@EXAMPLE.org>");
	add(&message, "<a@example.org.evil.test>");
	recipients_sort(&message.recipients);
	expect_share(&message, &next, "example.net", "a@example.net");
	expect_share(
	    &message, &next, "example.org", "a@example.org\nz@example.org");
	expect_share(&message, &next, "example.org.evil.test",
	    "a@example.org.evil.test");
	assert_false(recipients_share(&message.recipients, &next, &share));
	message_clear(&message);
}

static void
a_message_without_recipients_has_no_share(void **state)
{
	struct message message = { 0 };
	struct share share;
	size_t next = 0;

	(void)state;
	begin(&message, "<>");
	recipients_sort(&message.recipients);
	assert_false(recipients_share(&message.recipients, &next, &share));
	message_clear(&message);
}

static void
a_new_message_on_the_connection_forgets_the_one_before(void **state)
{
	struct message message = { 0 };

	(void)state;
	begin(&message, "<a@b.test>");
	add(&message, "<a@example.org>");
	begin(&message, "<>");
	assert_int_equal(message.recipients.count, 0);
	assert_int_equal(message.size, 0);
	message_clear(&message);
}

static double
seconds_for(int recipients)
{
	struct message message = { 0 };
	struct share share;
	clock_t start = clock();
	char address[64], *text;
	size_t next = 0, shares = 0, lines = 0;

	begin(&message, "<>");
	for (int i = 0; i < recipients; i++) {
		/* The neighbour of each is its duplicate. */
		snprintf(address, sizeof(address), "<u%d@d%d.example>", i / 2,
		    i / 2 % 100);
		add(&message, address);
	}
	recipients_sort(&message.recipients);
	while (recipients_share(&message.recipients, &next, &share)) {
		text = share_addresses(&share);
		assert_non_null(text);
		free(text);
		shares++;
		lines += share.count;
	}
	assert_int_equal(shares, 100);
	assert_int_equal(lines, recipients / 2);
	message_clear(&message);
	return (double)(clock() - start) / CLOCKS_PER_SEC;
}

/* Quadratic work on 200,000 recipients takes minutes. */
static void
many_recipients_take_little_time(void **state)
{
	(void)state;
	assert_true(seconds_for(200000) < 5.0);
}

/* Knows even domains, drops odd ones, and cannot tell of "unknown.test". */
static enum judgement
judge(const char *domain, void *arg)
{
	(*(int *)arg)++;
	if (strcmp(domain, "unknown.test") == 0)
		return JUDGED_UNKNOWN;
	return (domain[1] - '0') % 2 == 0 ? JUDGED_KEPT : JUDGED_DROPPED;
}

static void
expect_addresses(const struct message *message, const char *const *addresses)
{
	size_t count = 0;

	for (; addresses[count] != NULL; count++) {
		assert_true(count < message->recipients.count);
		assert_string_equal(
		    message->recipients.all[count].address, addresses[count]);
	}
	assert_int_equal(message->recipients.count, count);
}

static void
sifting_keeps_what_it_is_told_and_what_it_did_not_get_to(void **state)
{
	struct message message = { 0 };
	int asked = 0;

	(void)state;
	begin(&message, "<>");
	add(&message, "a@d1.test");
	add(&message, "a@d2.test");
	add(&message, "b@d2.test");
	add(&message, "a@d3.test");
	recipients_sort(&message.recipients);
	assert_true(message_sift(&message, judge, &asked));
	assert_int_equal(asked, 3);
	expect_addresses(
	    &message, (const char *[]) { "a@d2.test", "b@d2.test", NULL });
	add(&message, "a@d1.test");
	add(&message, "a@unknown.test");
	add(&message, "a@z1.test");
	recipients_sort(&message.recipients);
	assert_false(message_sift(&message, judge, &asked));
	expect_addresses(&message,
	    (const char *[]) { "a@d2.test", "b@d2.test", "a@unknown.test",
		"a@z1.test", NULL });
	message_clear(&message);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    recipients_are_reduced_to_local_part_and_canonical_domain),
		cmocka_unit_test(source_routes_are_cut_off),
		cmocka_unit_test(
		    at_signs_within_quotes_are_part_of_the_local_part),
		cmocka_unit_test(
		    control_characters_and_quotes_are_as_postfix_lists_them),
		cmocka_unit_test(
		    addresses_that_no_relay_domain_can_have_are_left_out),
		cmocka_unit_test(
		    the_null_sender_is_empty_and_others_lose_their_brackets),
		cmocka_unit_test(size_is_what_was_announced_or_zero),
		cmocka_unit_test(recipients_are_shared_out_by_domain_each_once),
		cmocka_unit_test(a_message_without_recipients_has_no_share),
		cmocka_unit_test(
		    a_new_message_on_the_connection_forgets_the_one_before),
		cmocka_unit_test(many_recipients_take_little_time),
		cmocka_unit_test(
		    sifting_keeps_what_it_is_told_and_what_it_did_not_get_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
