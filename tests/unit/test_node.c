/* SPDX-License-Identifier: ISC */
/*
 * What an ETRN may name, and the domains that it means for a client.
 */
#include "lib/tags/node.h"
#include "store_fixture.h"

#define X63  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X61  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X253 X63 "." X63 "." X63 "." X61

/* ---- names ----------------------------------------------------------- */

struct name {
	const char *typed;
	const char *expected; /* canonical, or a word of what is wrong */
};

static void
node_is_brought_into_one_form(void **arg)
{
	static const struct name names[] = {
		{ "A.Example.ORG", "a.example.org" },
		{ "@A.org", "@a.org" },
		{ "_at.A.org", "@a.org" },
		{ "_AT.a.org", "@a.org" },
		{ "#Queue-1", "#queue-1" },
		{ "Queue_1", "queue_1" },
		{ "customer", "customer" },
		{ "_at", "_at" },
		{ "192.0.2.1", "[192.0.2.1]" },
		{ "[192.0.2.1]", "[192.0.2.1]" },
		{ "#192.0.2.1", "#[192.0.2.1]" },
		{ "#[192.0.2.1]", "#[192.0.2.1]" },
		{ "[IPv6:2001:DB8:0::1]", "[IPv6:2001:db8::1]" },
		{ "[ipv6:2001:db8::1]", "[IPv6:2001:db8::1]" },
		{ "[IPv6:::ffff:192.0.2.1]", "[192.0.2.1]" },
		{ "_ip.192.0.2.1", "[192.0.2.1]" },
		{ "#_ip.192.0.2.1", "#[192.0.2.1]" },
		{ "_ip.2001_db8__1", "[IPv6:2001:db8::1]" },
		{ "_IP.2001_DB8_0__1", "[IPv6:2001:db8::1]" },
		{ "_ip.__ffff_192.0.2.1", "[192.0.2.1]" },
		{ "_ip", "_ip" },
		{ X253, X253 },
		{ "#" X253, "#" X253 },
		{ "@" X253, "@" X253 },
		{ "_at." X253, "@" X253 },
		{ "B\303\234cher.example", "xn--bcher-kva.example" },
		{ "@bu\314\210cher.example", "@xn--bcher-kva.example" },
		{ "_at.b\303\274cher.example", "@xn--bcher-kva.example" },
		{ "#b\303\274ro", "#xn--bro-hoa" },
		{ "B\303\234RO", "xn--bro-hoa" },
	};
	struct node node;
	const char *why;

	(void)arg;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!node_parse(&node, names[i].typed, &why))
			fail_msg("\"%s\": %s", names[i].typed, why);
		assert_string_equal(node.text, names[i].expected);
	}
}

static void
what_is_no_node_is_refused_with_its_reason(void **arg)
{
	static const struct name names[] = {
		{ "", "is empty" },
		{ "@", "is empty" },
		{ "#", "is empty" },
		{ "_at.", "is empty" },
		{ "@com", "only one label" },
		{ "_at.com", "only one label" },
		{ "@a_b.org", "no letter, digit or hyphen" },
		{ "@@a.org", "no letter, digit or hyphen" },
		{ "##a", "no letter, digit or hyphen" },
		{ "#@a.org", "no letter, digit or hyphen" },
		{ "#_at.a.org", "stands for @" },
		{ "#a b", "no letter, digit or hyphen" },
		{ "#a/b", "no letter, digit or hyphen" },
		{ "a.org;x", "no letter, digit or hyphen" },
		{ "$(id).org", "no letter, digit or hyphen" },
		{ "a.org|x", "no letter, digit or hyphen" },
		{ "a\n.org", "no letter, digit or hyphen" },
		{ "*.org", "no letter, digit or hyphen" },
		{ "#\xe4", "neither ASCII nor UTF-8" },
		{ "@b\303\274", "only one label" },
		{ "b\303\274 ro", "no internationalised name" },
		{ "-s", "begins or ends with a hyphen" },
		{ "a.org.", "trailing dot" },
		{ "a..org", "empty label" },
		{ "..", "trailing dot" },
		{ "../a", "empty label" },
		{ "12345", "is a number" },
		{ "1.2.3", "is a number" },
		{ "192.0.2.256", "is a number" },
		{ "@192.0.2.1", "is a number" },
		{ X63 "x.org", "63 octets" },
		{ X253 "x", "253 octets" },
		{ "[", "no address such as" },
		{ "[]", "no address such as" },
		{ "[192.0.2.1", "no address such as" },
		{ "192.0.2.1]", "no letter, digit or hyphen" },
		{ "[192.0.2.0/24]", "no address such as" },
		{ "[2001:db8::1]", "no address such as" },
		{ "[IPv6:192.0.2.1]", "no address such as" },
		{ "[IPv6:]", "no address such as" },
		{ "[IPv6:fe80::1%eth0]", "no address such as" },
		{ "[a.org]", "no address such as" },
		{ "_ip.", "no address such as" },
		{ "_ip.a.org", "no address such as" },
		{ "_ip.192.0.2.256", "no address such as" },
		{ "_ip.2001:db8::1", "no address such as" },
		{ "_ip.fe80__1%eth0", "no address such as" },
		{ "_ip.1_2_3_4_5_6_7_8_9", "no address such as" },
		{ "_ip." X63, "no address such as" },
		{ "2001:db8::1", "no letter, digit or hyphen" },
	};
	struct node node;
	const char *why;

	(void)arg;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (node_parse(&node, names[i].typed, &why))
			fail_msg("\"%s\" was taken", names[i].typed);
		if (strstr(why, names[i].expected) == NULL)
			fail_msg("\"%s\": %s", names[i].typed, why);
	}
}

/* ---- what they mean -------------------------------------------------- */

static void
add_domain(struct fixture *f, const char *name)
{
	assert_ok(f, store_domain_add(f->store, name, MODE_BACKUP, NULL));
}

static void
add_allowed(struct fixture *f, const char *name)
{
	add_domain(f, name);
	assert_ok(f, store_etrn_allow(f->store, name, "192.0.2.0/24"));
}

static void
add_to_queue(struct fixture *f, const char *queue, const char *domain)
{
	assert_ok(f, store_queue_name_add(f->store, queue, domain));
}

static void
add_tag(struct fixture *f, const char *queue_id, const char *domain)
{
	const struct tag tag = {
		.queue_id = queue_id,
		.domain = domain,
		.sender = "s",
		.recipients = "r",
		.recipient_count = 1,
		.client = "::1",
	};

	assert_ok(f, store_tag_add(f->store, &tag));
}

/* The domains and their tags as text. */
static enum store_result
find_for(struct fixture *f, const struct etrn_client *client, const char *typed,
    char *text)
{
	enum store_result result;
	struct node node;
	const char *why;

	text[0] = '\0';
	assert_true(node_parse(&node, typed, &why));
	result = node_find(&node, f->store, client);
	for (size_t i = 0; result == STORE_OK && i < node.count; i++)
		sprintf(text + strlen(text), "%s:%d ", node.domains[i].name,
		    (int)node.domains[i].held);
	node_free(&node);
	return result;
}

static enum store_result
find(struct fixture *f, const char *typed, char *text)
{
	const struct etrn_client client = { .address = "192.0.2.1" };

	return find_for(f, &client, typed, text);
}

static void
node_with_at_means_what_is_below_it_and_allowed(void **arg)
{
	static const char *const names[] = { "a.org", "x.a.org", "y.x.a.org",
		"aa.org", "xa.org", "a.org.net" };
	struct fixture *f = *arg;
	char text[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		add_allowed(f, names[i]);
	add_domain(f, "z.a.org");
	add_tag(f, "1", "x.a.org");
	add_tag(f, "2", "x.a.org");
	add_tag(f, "3", "z.a.org");
	assert_int_equal(find(f, "@a.org", text), STORE_OK);
	assert_string_equal(text, "a.org:0 x.a.org:2 y.x.a.org:0 ");
	assert_int_equal(find(f, "_at.x.a.org", text), STORE_OK);
	assert_string_equal(text, "x.a.org:2 y.x.a.org:0 ");
	assert_int_equal(find(f, "a.org", text), STORE_OK);
	assert_string_equal(text, "a.org:0 ");
	assert_int_equal(find(f, "@z.a.org", text), STORE_NONE);
	assert_int_equal(find(f, "@q.org", text), STORE_NONE);
	assert_int_equal(find(f, "#a.org", text), STORE_NONE);
}

static void
queue_means_those_of_its_domains_that_are_allowed(void **arg)
{
	struct fixture *f = *arg;
	char text[256];

	add_allowed(f, "a.org");
	add_allowed(f, "b.net");
	add_domain(f, "c.test");
	add_tag(f, "1", "b.net");
	add_to_queue(f, "mine", "b.net");
	add_to_queue(f, "mine", "a.org");
	add_to_queue(f, "mine", "c.test");
	add_to_queue(f, "theirs", "c.test");
	assert_int_equal(find(f, "#mine", text), STORE_OK);
	assert_string_equal(text, "a.org:0 b.net:1 ");
	assert_int_equal(find(f, "MINE", text), STORE_OK);
	assert_string_equal(text, "a.org:0 b.net:1 ");
	assert_int_equal(find(f, "theirs", text), STORE_NONE);
	assert_int_equal(find(f, "unknown", text), STORE_NONE);
	assert_int_equal(find_for(f, NULL, "theirs", text), STORE_OK);
	assert_string_equal(text, "c.test:0 ");
	assert_int_equal(find_for(f, NULL, "#unknown", text), STORE_NONE);
}

static void
address_is_the_name_of_a_queue(void **arg)
{
	struct fixture *f = *arg;
	char text[256];

	add_allowed(f, "a.org");
	add_allowed(f, "b.org");
	add_to_queue(f, "[192.0.2.1]", "a.org");
	add_to_queue(f, "[IPv6:2001:db8::1]", "b.org");
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(
		    find(f, i == 0 ? "192.0.2.1" : "[192.0.2.1]", text),
		    STORE_OK);
		assert_string_equal(text, "a.org:0 ");
	}
	assert_int_equal(find(f, "[IPv6:2001:DB8::1]", text), STORE_OK);
	assert_string_equal(text, "b.org:0 ");
	assert_int_equal(find(f, "[192.0.2.2]", text), STORE_NONE);
}

static void
domain_hides_the_queue_of_its_name_even_if_not_allowed(void **arg)
{
	struct fixture *f = *arg;
	char text[256];

	add_allowed(f, "a.org");
	add_to_queue(f, "name.org", "a.org");
	assert_int_equal(find(f, "name.org", text), STORE_OK);
	assert_string_equal(text, "a.org:0 ");
	add_domain(f, "name.org");
	assert_int_equal(find(f, "name.org", text), STORE_NONE);
	assert_int_equal(find(f, "#name.org", text), STORE_OK);
	assert_string_equal(text, "a.org:0 ");
	assert_int_equal(find_for(f, NULL, "name.org", text), STORE_OK);
	assert_string_equal(text, "name.org:0 ");
}

static void
damage(struct fixture *f, const char *sql)
{
	sqlite3 *db = open_beside(f->database);

	execute(db, sql);
	sqlite3_close(db);
}

static void
database_that_cannot_be_used_is_no_answer(void **arg)
{
	static const char *const names[] = { "mine", "#mine", "a.org",
		"@a.org" };
	struct fixture *f = *arg;
	char text[256];

	add_allowed(f, "a.org");
	add_to_queue(f, "mine", "a.org");
	damage(f, "DROP TABLE etrn");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(find(f, names[i], text), STORE_FAILED);
	assert_int_equal(find_for(f, NULL, "mine", text), STORE_OK);
	damage(f, "DROP TABLE queue_name");
	assert_int_equal(find_for(f, NULL, "mine", text), STORE_FAILED);
	assert_int_equal(unlink(f->database), 0);
	assert_int_equal(find_for(f, NULL, "a.org", text), STORE_FAILED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(node_is_brought_into_one_form),
		cmocka_unit_test(what_is_no_node_is_refused_with_its_reason),
		STORE_TEST(node_with_at_means_what_is_below_it_and_allowed),
		STORE_TEST(queue_means_those_of_its_domains_that_are_allowed),
		STORE_TEST(address_is_the_name_of_a_queue),
		STORE_TEST(
		    domain_hides_the_queue_of_its_name_even_if_not_allowed),
		STORE_TEST(database_that_cannot_be_used_is_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
