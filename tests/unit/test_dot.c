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

#include "lib/dot.h"

enum { CONTENT_MAX = 300, WIRE_MAX = 2 * CONTENT_MAX + 8, ROUNDS = 20000 };

struct bytes {
	size_t len;
	char at[WIRE_MAX];
};

static void
add(struct bytes *bytes, const char *from, size_t n)
{
	assert_true(bytes->len + n <= sizeof(bytes->at));
	memcpy(bytes->at + bytes->len, from, n);
	bytes->len += n;
}

/* Lengths of 1 to 7, now and then of all that is left. */
static size_t
piece(size_t left)
{
	size_t n = (size_t)rand() % 8;

	return n == 0 || n > left ? left : n;
}

static void
encode(const struct bytes *content, struct bytes *wire)
{
	struct dot dot = { 0 };
	size_t i = 0, end, run;
	bool stuff;

	*wire = (struct bytes) { 0 };
	while (i < content->len) {
		end = i + piece(content->len - i);
		while (i < end) {
			run =
			    dot_encode(&dot, content->at + i, end - i, &stuff);
			assert_in_range(run, 1, end - i);
			if (stuff)
				add(wire, ".", 1);
			add(wire, content->at + i, run);
			i += run;
		}
	}
	add(wire, dot_terminator(&dot), strlen(dot_terminator(&dot)));
}

/* Each piece is decoded into memory of just the size that is promised to be
 * enough. Returns how much of the wire was used up. */
static size_t
decode(const struct bytes *wire, struct bytes *content)
{
	struct dot dot = { 0 };
	size_t i = 0, n, used, written;
	char *out;

	*content = (struct bytes) { 0 };
	while (i < wire->len && dot.state != DOT_END) {
		n = piece(wire->len - i);
		out = malloc(n + 1);
		assert_non_null(out);
		used = dot_decode(&dot, wire->at + i, n, out, &written);
		assert_true(written <= n + 1);
		assert_true(used == n || dot.state == DOT_END);
		add(content, out, written);
		free(out);
		i += used;
	}
	assert_int_equal(dot.state, DOT_END);
	return i;
}

static void
expect_wire(const char *content, const char *wire)
{
	struct bytes in = { 0 }, out;

	add(&in, content, strlen(content));
	encode(&in, &out);
	assert_int_equal(out.len, strlen(wire));
	assert_memory_equal(out.at, wire, out.len);
}

static void
expect_content(const char *wire, const char *content)
{
	struct bytes in = { 0 }, out;

	add(&in, wire, strlen(wire));
	assert_int_equal(decode(&in, &out), in.len);
	assert_int_equal(out.len, strlen(content));
	assert_memory_equal(out.at, content, out.len);
}

static void
encodes_leading_dots_only(void **state)
{
	(void)state;
	expect_wire("", ".\r\n");
	expect_wire("a\r\n", "a\r\n.\r\n");
	expect_wire(".\r\n", "..\r\n.\r\n");
	expect_wire("..\r\n.x\r\n", "...\r\n..x\r\n.\r\n");
	expect_wire("a.b.\r\n\r\n.\r\n", "a.b.\r\n\r\n..\r\n.\r\n");
}

static void
ends_a_last_line_that_has_no_end(void **state)
{
	(void)state;
	expect_wire("a", "a\r\n.\r\n");
	expect_wire(".", "..\r\n.\r\n");
	expect_wire("a\r", "a\r\r\n.\r\n");
	expect_wire("a\n", "a\n\r\n.\r\n");
}

static void
takes_bare_cr_and_lf_for_text(void **state)
{
	(void)state;
	expect_wire("\n.\r.\n\r.", "\n.\r.\n\r.\r\n.\r\n");
	expect_content("a\n.\n.\r\r\n.\r\n", "a\n.\n.\r\r\n");
	expect_content("\r.\r\n.\r\n", "\r.\r\n");
}

static void
decodes_what_is_not_the_end(void **state)
{
	(void)state;
	expect_content(".\r\n", "");
	expect_content(".\r.\r\n.\r\n", "\r.\r\n");
	expect_content(".\n\r\n.\r\n", "\n\r\n");
	expect_content(".\r\r\n.\r\n", "\r\r\n");
	expect_content(".x\r\n.\r\n", "x\r\n");
	expect_content("...\r\n.\r\n", "..\r\n");
}

static void
stops_behind_the_end(void **state)
{
	static const char wire[] = "a\r\n.\r\nMAIL FROM:<b@c.test>\r\n";
	struct dot dot = { 0 };
	char out[sizeof(wire) + 1];
	size_t written;

	(void)state;
	assert_int_equal(
	    dot_decode(&dot, wire, strlen(wire), out, &written), 6);
	assert_int_equal(written, 3);
	assert_int_equal(dot_decode(&dot, wire, 5, out, &written), 0);
	assert_int_equal(written, 0);
}

static void
gives_back_the_content_however_it_is_split(void **state)
{
	static const char *const bits[] = { ".", "\r", "\n", "\r\n", "\r\n.",
		"x", ".\r\n", "\r\n.\r\n" };
	const char *given = getenv("SEED");
	unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10)
				      : (unsigned)time(NULL);

	(void)state;
	print_message("SEED=%u\n", seed);
	srand(seed);
	for (int round = 0; round < ROUNDS; round++) {
		struct bytes content = { 0 }, wire, back;

		for (int i = rand() % 40; i > 0; i--) {
			const char *bit = bits[rand() % 8];

			add(&content, bit, strlen(bit));
		}
		add(&content, "\r\n", 2);
		encode(&content, &wire);
		assert_int_equal(decode(&wire, &back), wire.len);
		assert_int_equal(back.len, content.len);
		assert_memory_equal(back.at, content.at, content.len);
	}
}

/* Whatever comes: the output has room, and the end is found where a search
 * finds it. */
static void
finds_the_end_in_any_noise(void **state)
{
	static const char letters[] = "..\r\r\n\nx";

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct bytes wire = { 0 }, back;
		char text[WIRE_MAX + 3] = "\r\n";
		const char *end;

		for (int i = rand() % 60; i > 0; i--)
			add(&wire, &letters[(size_t)rand() % 7], 1);
		add(&wire, "\r\n.\r\n", 5);
		memcpy(text + 2, wire.at, wire.len);
		end = strstr(text, "\r\n.\r\n");
		assert_int_equal(
		    decode(&wire, &back), (size_t)(end - text) + 3);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodes_leading_dots_only),
		cmocka_unit_test(ends_a_last_line_that_has_no_end),
		cmocka_unit_test(takes_bare_cr_and_lf_for_text),
		cmocka_unit_test(decodes_what_is_not_the_end),
		cmocka_unit_test(stops_behind_the_end),
		cmocka_unit_test(gives_back_the_content_however_it_is_split),
		cmocka_unit_test(finds_the_end_in_any_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
