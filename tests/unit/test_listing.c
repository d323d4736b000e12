/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "listing.h"

static void
note_recipient(void *arg, const char *domain)
{
	sprintf((char *)arg + strlen(arg), "%s ", domain);
}

static void
note_message(void *arg)
{
	strcat(arg, "| ");
}

/* In pieces of every size. */
static void
expect(const char *bytes, const char *found)
{
	size_t len = strlen(bytes);

	for (size_t piece = 1; piece <= len; piece++) {
		char text[512] = "";
		struct listing listing = { .recipient = note_recipient,
			.message = note_message,
			.arg = text };

		for (size_t at = 0; at < len; at += piece)
			listing_read(&listing, bytes + at,
			    piece < len - at ? piece : len - at);
		assert_string_equal(text, found);
	}
}

static void
domains_of_all_recipients_are_found(void **arg)
{
	(void)arg;
	expect("{\"queue_name\": \"deferred\", \"queue_id\": \"4Xyz\", "
	       "\"arrival_time\": 1700000000, \"message_size\": 330, "
	       "\"forced_expire\": false, \"sender\": \"s@sender.test\", "
	       "\"recipients\": [{\"address\": \"a@One.TEST\", "
	       "\"delay_reason\": \"connect to x: refused\"}, "
	       "{\"address\": \"b@two.test\"}]}\n"
	       "{\"queue_id\": \"5\", \"sender\": \"\", "
	       "\"recipients\": [{\"address\": \"c@one.test\"}]}\n",
	    "one.test two.test | one.test | ");
	expect("", "");
}

static void
only_addresses_of_recipients_count(void **arg)
{
	(void)arg;
	expect("{\"sender\": \"address\", \"x\": \"a@no.test\", "
	       "\"delay_reason\": \"said: \\\"address\\\": "
	       "\\\"b@no.test\\\"\", \"recipients\": [{\"address\": "
	       "\"\\\"c@no.test\\\"@yes.test\"}]}\n",
	    "yes.test | ");
}

static void
odd_domains_are_no_others(void **arg)
{
	char line[700], name[400];

	(void)arg;
	expect("{\"address\": \"a@yes\\u002etest\"}\n", "yes\\002etest | ");
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(line, sizeof(line),
	    "{\"address\": \"a@%s\"}\n{\"address\": \"%s@yes.test\"}\n", name,
	    name + 150);
	expect(line, "| yes.test | ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(domains_of_all_recipients_are_found),
		cmocka_unit_test(only_addresses_of_recipients_count),
		cmocka_unit_test(odd_domains_are_no_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
