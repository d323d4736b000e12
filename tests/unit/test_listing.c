/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/postfix/listing.h"

#define FIELDS                                                                 \
	"\"queue_name\": \"deferred\", \"arrival_time\": 17, "                 \
	"\"message_size\": 330, \"forced_expire\": false, "

/* "ID:domain,domain| " for each message; a message with id STOP is not taken.
 */
static bool
note(void *arg, const struct queued *message)
{
	char *text = arg;

	sprintf(text + strlen(text), "%s:", message->queue_id);
	for (size_t i = 0; i < message->recipients.count; i++)
		sprintf(text + strlen(text), "%s,",
		    message->recipients.all[i].domain);
	strcat(text, "| ");
	return strcmp(message->queue_id, "STOP") != 0;
}

/* In pieces of every size. `fault` NULL: there is none. */
static void
expect(const char *bytes, const char *found, const char *fault)
{
	size_t len = strlen(bytes), at;

	for (size_t piece = 1; piece <= len + 1; piece++) {
		char text[512] = "";
		struct listing listing = { .message = note, .arg = text };
		bool ok = true;

		for (at = 0; ok && at < len; at += piece)
			ok = listing_read(&listing, bytes + at,
			    piece < len - at ? piece : len - at);
		if (ok)
			listing_end(&listing);
		assert_string_equal(text, found);
		assert_string_equal(listing.fault, fault != NULL ? fault : "");
		listing_clear(&listing);
	}
}

static void
each_line_is_a_message(void **arg)
{
	(void)arg;
	expect("{" FIELDS "\"queue_id\": \"4Xyz\", \"sender\": \"s@x.test\", "
	       "\"recipients\": [{\"address\": \"b@two.test\"}, "
	       "{\"address\": \"a@One.TEST\", "
	       "\"delay_reason\": \"connect to x: refused\"}]}\n"
	       "{" FIELDS "\"queue_id\": \"5\", \"sender\": \"\", "
	       "\"recipients\": []}\n",
	    "4Xyz:one.test,two.test,| 5:| ", NULL);
	expect("", "", NULL);
}

static void
what_is_no_message_ends_it(void **arg)
{
	(void)arg;
	expect("postqueue: warning: \033no\n{" FIELDS "\"queue_id\": \"5\", "
	       "\"sender\": \"\", \"recipients\": []}\n",
	    "", "no JSON object: postqueue: warning: ?no");
	expect("\n", "", "no JSON object: ");
}

static void
half_a_line_is_a_fault(void **arg)
{
	(void)arg;
	expect("{\"queue_id\": \"5\"", "",
	    "ends within a line: {\"queue_id\": \"5\"");
}

static void
who_takes_a_message_may_end_it_without_a_fault(void **arg)
{
	(void)arg;
	expect("{" FIELDS "\"queue_id\": \"STOP\", \"sender\": \"\", "
	       "\"recipients\": []}\n"
	       "{" FIELDS "\"queue_id\": \"5\", \"sender\": \"\", "
	       "\"recipients\": []}\n",
	    "STOP:| ", NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_line_is_a_message),
		cmocka_unit_test(what_is_no_message_ends_it),
		cmocka_unit_test(half_a_line_is_a_fault),
		cmocka_unit_test(
		    who_takes_a_message_may_end_it_without_a_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
