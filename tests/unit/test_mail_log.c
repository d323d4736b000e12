/* SPDX-License-Identifier: ISC */
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/tags/mail_log.h"
#include "store_fixture.h"

#define SMTP  "Nov 22 06:05:51 relay postfix/relay/smtp[29479]: "
#define ODMR  "Nov 22 06:05:51 relay postfix/odmr/lmtp[29480]: "
#define QMGR  "Nov 22 06:05:51 relay postfix/qmgr[29304]: "
#define SUPER "Nov 22 06:05:55 relay postfix/postsuper[2]: "
#define RELAY_TIMES                                                            \
	", relay=mx.b.test[192.0.2.1]:25, delay=0.05, "                        \
	"delays=0.01/0.01/0/0.02, "
#define SOCKET_TIMES                                                           \
	", relay=relay.test[odmr/o.test], delay=0.05, "                        \
	"delays=0.01/0.01/0/0.02, "
#define SENT     "dsn=2.0.0, status=sent (250 2.0.0 Ok)\n"
#define DEFERRED "dsn=4.4.1, status=deferred (connect to mx: refused)\n"
#define BOUNCED                                                                \
	"dsn=5.1.1, status=bounced (host mx[192.0.2.1] said: 550 no user)\n"

static char log_path[128];
static struct settled settled;

static int
setup(void **arg)
{
	struct fixture *f;

	if (fixture_make_initialised(arg) != 0)
		return -1;
	f = *arg;
	snprintf(log_path, sizeof(log_path), "%s/mail.log", f->top);
	f->conf.mail_log = log_path;
	settled = (struct settled) { 0 };
	assert_ok(f, store_domain_add(f->store, "b.test", MODE_BACKUP, NULL));
	assert_ok(f, store_domain_add(f->store, "o.test", MODE_ODMR, NULL));
	return 0;
}

static void
append_to(const char *suffix, const char *text)
{
	char path[160];
	FILE *out;

	snprintf(path, sizeof(path), "%s%s", log_path, suffix);
	out = fopen(path, "a");
	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
}

static void
append(const char *text)
{
	append_to("", text);
}

static void
rename_log(const char *suffix)
{
	char path[160];

	snprintf(path, sizeof(path), "%s%s", log_path, suffix);
	assert_int_equal(rename(log_path, path), 0);
}

static void
tag(struct fixture *f, const char *id, const char *domain,
    const char *recipients, long count)
{
	struct tag row = {
		.queue_id = id,
		.domain = domain,
		.sender = "s@sender.test",
		.recipients = recipients,
		.recipient_count = count,
		.size = 100,
		.client = "192.0.2.9",
		.arrived = 1795327551,
	};

	assert_ok(f, store_tag_add(f->store, &row));
}

static void
follow(struct fixture *f)
{
	char error[256];

	if (!mail_log_follow(
		&f->conf, f->store, &settled, error, sizeof(error)))
		fail_msg("%s", error);
}

/* Of the one tag of `id`: "state open delivered attempts recipients". */
static void
assert_tag(struct fixture *f, const char *id, const char *expected)
{
	sqlite3_stmt *stmt;
	sqlite3 *db;
	char text[256] = "no tag";

	assert_int_equal(sqlite3_open(f->database, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db,
			     "SELECT state || ' ' || rcpts_open || ' ' || "
			     "delivered || ' ' || "
			     "attempts || ' ' || (SELECT group_concat(address) "
			     "FROM recipient WHERE recipient.tag = tag.id) "
			     "FROM tag WHERE queue_id = ?1",
			     -1, &stmt, NULL),
	    SQLITE_OK);
	sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		snprintf(text, sizeof(text), "%s",
		    (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	assert_string_equal(text, expected);
}

static void
outcomes_settle_tags(void **arg)
{
	struct fixture *f = *arg;

	tag(f, "A1", "b.test", "R@b.test", 1);
	tag(f, "A2", "b.test", "r@b.test", 1);
	tag(f, "A3", "b.test", "r@b.test", 1);
	tag(f, "A4", "b.test", "\"r\"@b.test", 1);
	tag(f, "A5", "b.test", "r@b.test", 1);
	append(
	    SMTP "A1: to=<r@B.Test>" RELAY_TIMES SENT QMGR "A1: removed\n" SMTP
		 "A2: to=<r@b.test>" RELAY_TIMES BOUNCED SMTP
		 "A3: to=<r@b.test>" RELAY_TIMES DEFERRED SMTP
		 "A3: to=<r@b.test>" RELAY_TIMES DEFERRED SMTP
		 "A4: to=<r@b.test>" RELAY_TIMES DEFERRED QMGR
		 "A4: from=<s@sender.test>, status=expired, returned to "
		 "sender\n" QMGR "A4: removed\n" SUPER "A5: removed\n");
	follow(f);
	assert_tag(f, "A1", "delivered 0 1 1 R@b.test");
	assert_tag(f, "A2", "refused 0 0 1 r@b.test");
	assert_tag(f, "A3", "held 1 0 2 r@b.test");
	assert_tag(f, "A4", "expired 1 0 1 \"r\"@b.test");
	assert_tag(f, "A5", "left 1 0 0 r@b.test");
	assert_int_equal(settled.delivered, 1);
	assert_int_equal(settled.refused, 1);
	assert_int_equal(settled.expired, 1);
	assert_int_equal(settled.left, 1);
}

static void
a_recipient_counts_once(void **arg)
{
	struct fixture *f = *arg;

	tag(f, "A1", "b.test", "a@b.test\nb@b.test\nc@b.test", 3);
	append(SMTP "A1: to=<b@b.test>" RELAY_TIMES SENT SMTP
		    "A1: to=<b@b.test>" RELAY_TIMES SENT);
	follow(f);
	assert_tag(f, "A1", "held 2 2 0 a@b.test,c@b.test");
	append(SMTP "A1: to=<c@b.test>" RELAY_TIMES DEFERRED SMTP
		    "A1: to=<a@b.test>" RELAY_TIMES DEFERRED SMTP
		    "A1: to=<c@b.test>" RELAY_TIMES BOUNCED);
	follow(f);
	assert_tag(f, "A1", "held 1 2 1 a@b.test");
	append(SMTP "A1: to=<a@b.test>" RELAY_TIMES BOUNCED);
	follow(f);
	assert_tag(f, "A1", "delivered 0 2 2 a@b.test");
}

/* When b@b.test was delivered, the queue was listed before the log was read. */
static void
what_the_queue_told_does_not_count_again(void **arg)
{
	struct fixture *f = *arg;

	tag(f, "A1", "b.test", "a@b.test\nb@b.test", 1);
	append(SMTP "A1: to=<b@b.test>" RELAY_TIMES SENT);
	follow(f);
	assert_tag(f, "A1", "held 1 1 0 a@b.test");
}

/* a@b.test became x@b.test and y@b.test. */
static void
an_alias_is_settled_when_the_message_is_removed(void **arg)
{
	struct fixture *f = *arg;

	tag(f, "A1", "b.test", "a@b.test", 1);
	append(SMTP "A1: to=<x@b.test>, orig_to=<a@b.test>" RELAY_TIMES SENT);
	follow(f);
	assert_tag(f, "A1", "held 1 1 0 a@b.test");
	append(
	    SMTP "A1: to=<y@b.test>, orig_to=<a@b.test>" RELAY_TIMES SENT QMGR
		 "A1: removed\n");
	follow(f);
	assert_tag(f, "A1", "delivered 1 2 0 a@b.test");
}

static void
what_is_logged_before_the_tag_settles_it_when_it_comes(void **arg)
{
	struct fixture *f = *arg;

	append(SMTP "A1: to=<a@b.test>" RELAY_TIMES DEFERRED SMTP
		    "A1: to=<a@b.test>" RELAY_TIMES SENT QMGR "A1: removed\n");
	follow(f);
	rename_log(".1");
	append("");
	follow(f);
	tag(f, "A1", "b.test", "a@b.test", 1);
	follow(f);
	assert_tag(f, "A1", "delivered 0 1 2 a@b.test");
	assert_int_equal(settled.delivered, 1);
	assert_answer(f->database, "SELECT count(*) FROM log_without_tag", "0");
}

/* a@b.test became x@b.test, and the tag came between the two lines. */
static void
what_was_logged_early_counts_before_what_is_logged_later(void **arg)
{
	struct fixture *f = *arg;

	append(SMTP "A1: to=<x@b.test>" RELAY_TIMES SENT);
	follow(f);
	tag(f, "A1", "b.test", "a@b.test", 1);
	append(QMGR "A1: removed\n");
	follow(f);
	assert_tag(f, "A1", "delivered 1 1 0 a@b.test");
}

static void
the_end_that_is_logged_early_is_kept_too(void **arg)
{
	struct fixture *f = *arg;

	append(SMTP "A1: to=<x@b.test>" RELAY_TIMES SENT QMGR "A1: removed\n");
	append(SMTP "A2: to=<a@b.test>" RELAY_TIMES DEFERRED QMGR
		    "A2: from=<s@sender.test>, status=expired, returned to "
		    "sender\n");
	follow(f);
	tag(f, "A1", "b.test", "a@b.test", 1);
	tag(f, "A2", "b.test", "a@b.test", 1);
	follow(f);
	assert_tag(f, "A1", "delivered 1 1 0 a@b.test");
	assert_tag(f, "A2", "expired 1 0 1 a@b.test");
}

static void
nothing_is_kept_that_no_tag_will_come_for(void **arg)
{
	struct fixture *f = *arg;

	tag(f, "A1", "b.test", "a@b.test", 1);
	append(
	    SMTP "A1: to=<a@b.test>" RELAY_TIMES SENT SMTP
		 "A1: to=<b@b.test>" RELAY_TIMES SENT QMGR "A1: removed\n" SMTP
		 "B1: to=<a@other.test>" RELAY_TIMES SENT QMGR
		 "B1: removed\n" ODMR "B2: to=<a@o.test>" SOCKET_TIMES SENT);
	follow(f);
	assert_tag(f, "A1", "delivered 0 1 1 a@b.test");
	assert_answer(f->database, "SELECT count(*) FROM log_without_tag", "0");
}

static void
what_is_kept_is_bounded_in_age_and_number(void **arg)
{
	struct fixture *f = *arg;
	sqlite3 *db;

	append(SMTP "A1: to=<a@b.test>" RELAY_TIMES SENT);
	for (int i = 0; i < 10100; i++)
		append(SMTP "A2: to=<a@b.test>" RELAY_TIMES DEFERRED);
	follow(f);
	follow(f);
	assert_answer(
	    f->database, "SELECT count(*) FROM log_without_tag", "10000");
	assert_answer(f->database,
	    "SELECT count(*) FROM log_without_tag WHERE queue_id = 'A1'", "0");
	db = open_beside(f->database);
	execute(db, "UPDATE log_without_tag SET kept = kept - 3700");
	sqlite3_close(db);
	follow(f);
	assert_answer(f->database, "SELECT count(*) FROM log_without_tag", "0");
}

static void
what_odmrd_carries_is_left_to_it(void **arg)
{
	struct fixture *f = *arg;

	tag(f, "A1", "o.test", "a@o.test", 1);
	tag(f, "A2", "o.test", "a@o.test", 1);
	append(ODMR
	    "A1: to=<a@o.test>" SOCKET_TIMES DEFERRED ODMR
	    "A1: to=<a@o.test>" SOCKET_TIMES SENT QMGR "A1: removed\n" ODMR
	    "A2: to=<a@o.test>" SOCKET_TIMES
	    "dsn=5.3.4, status=bounced (message size 9 exceeds size limit 8 "
	    "of server relay.test[odmr/o.test])\n");
	follow(f);
	assert_tag(f, "A1", "held 1 0 0 a@o.test");
	assert_tag(f, "A2", "refused 0 0 1 a@o.test");
}

static void
half_a_line_waits_for_the_rest(void **arg)
{
	struct fixture *f = *arg;

	tag(f, "A1", "b.test", "a@b.test", 1);
	append(QMGR "B1: removed\n" SMTP "A1: to=<a@b.test>" RELAY_TIMES);
	follow(f);
	assert_tag(f, "A1", "held 1 0 0 a@b.test");
	append(SENT);
	follow(f);
	assert_tag(f, "A1", "delivered 0 1 1 a@b.test");
}

static void
nothing_is_read_twice(void **arg)
{
	struct fixture *f = *arg;

	tag(f, "A1", "b.test", "a@b.test", 1);
	append(SMTP "A1: to=<a@b.test>" RELAY_TIMES DEFERRED);
	follow(f);
	follow(f);
	assert_tag(f, "A1", "held 1 0 1 a@b.test");
}

static void
a_rotated_log_is_read_to_its_end(void **arg)
{
	struct fixture *f = *arg;

	tag(f, "A1", "b.test", "a@b.test", 1);
	append(SMTP "A1: to=<a@b.test>" RELAY_TIMES DEFERRED);
	follow(f);
	append(SMTP "A1: to=<a@b.test>" RELAY_TIMES DEFERRED);
	rename_log(".1");
	append("");
	follow(f);
	assert_tag(f, "A1", "held 1 0 2 a@b.test");
	/* Nobody has told the writer yet. */
	append_to(".1", SMTP "A1: to=<a@b.test>" RELAY_TIMES DEFERRED);
	follow(f);
	assert_tag(f, "A1", "held 1 0 3 a@b.test");
	append(SMTP "A1: to=<a@b.test>" RELAY_TIMES SENT);
	follow(f);
	assert_tag(f, "A1", "delivered 0 1 4 a@b.test");
}

/* What was written `age` seconds ago. */
static void
set_age(const char *suffix, time_t age)
{
	struct timespec times[2] = { { .tv_sec = time(NULL) - age } };
	char path[160];

	times[1] = times[0];
	snprintf(path, sizeof(path), "%s%s", log_path, suffix);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void
a_rotated_log_is_known_by_any_name(void **arg)
{
	static const char *const names[] = { "-20261122", ".old", ".0" };
	struct fixture *f = *arg;
	char expected[32];

	tag(f, "A1", "b.test", "a@b.test", 1);
	append(QMGR "B1: removed\n");
	for (int i = 0; i < 3; i++) {
		follow(f);
		append(SMTP "A1: to=<a@b.test>" RELAY_TIMES DEFERRED);
		rename_log(names[i]);
		append(SMTP "A1: to=<a@b.test>" RELAY_TIMES DEFERRED);
		set_age(names[i], 30 - i);
		follow(f);
		snprintf(expected, sizeof(expected), "held 1 0 %d a@b.test",
		    2 * i + 2);
		assert_tag(f, "A1", expected);
	}
}

/* And neither those before it, nor what is no log of the row. */
static void
logs_that_came_after_it_are_read_in_their_order(void **arg)
{
	struct fixture *f = *arg;

	tag(f, "A1", "b.test", "a@b.test\nb@b.test", 2);
	append_to("-20261101", SMTP "A1: to=<a@b.test>" RELAY_TIMES SENT);
	append_to(".bak", SMTP "A1: to=<a@b.test>" RELAY_TIMES SENT);
	append(SMTP "A1: to=<a@b.test>" RELAY_TIMES DEFERRED);
	follow(f);
	append(SMTP "A1: to=<a@b.test>" RELAY_TIMES DEFERRED);
	rename_log("-20261108");
	append(SMTP "A1: to=<a@b.test>" RELAY_TIMES DEFERRED);
	rename_log("-20261122");
	append(SMTP "A1: to=<a@b.test>" RELAY_TIMES BOUNCED);
	rename_log("-20261115");
	append(SMTP "A1: to=<b@b.test>" RELAY_TIMES SENT);
	set_age("-20261101", 40);
	set_age("-20261108", 30);
	set_age("-20261122", 20);
	set_age("-20261115", 10);
	follow(f);
	assert_tag(f, "A1", "delivered 0 1 5 b@b.test");
	follow(f);
	assert_answer(f->database, "SELECT group_concat(last_answer) FROM tag",
	    "250 2.0.0 Ok");
}

static void
a_log_without_its_predecessor_is_read_from_its_beginning(void **arg)
{
	struct fixture *f = *arg;
	int fd;

	tag(f, "A1", "b.test", "a@b.test", 1);
	append(QMGR "B1: removed\n");
	follow(f);
	assert_int_equal(truncate(log_path, 0), 0);
	rename_log(".1");
	append(SMTP "A1: to=<a@b.test>" RELAY_TIMES SENT);
	follow(f);
	assert_tag(f, "A1", "delivered 0 1 1 a@b.test");
	tag(f, "A2", "b.test", "a@b.test", 1);
	/* Or the new one might have the old inode. */
	fd = open(log_path, O_RDONLY);
	assert_int_not_equal(fd, -1);
	assert_int_equal(unlink(log_path), 0);
	append(SMTP "A2: to=<a@b.test>" RELAY_TIMES SENT);
	follow(f);
	close(fd);
	assert_tag(f, "A2", "delivered 0 1 1 a@b.test");
}

static void
a_log_that_was_cut_short_is_read_from_its_beginning(void **arg)
{
	struct fixture *f = *arg;

	tag(f, "A1", "b.test", "a@b.test", 1);
	tag(f, "A2", "b.test", "a@b.test", 1);
	append(QMGR "B1: removed\n");
	follow(f);
	assert_int_equal(truncate(log_path, 0), 0);
	append(SMTP "A1: to=<a@b.test>" RELAY_TIMES SENT);
	follow(f);
	assert_tag(f, "A1", "delivered 0 1 1 a@b.test");
	assert_int_equal(truncate(log_path, 0), 0);
	append("short\n");
	follow(f);
	append(SMTP "A2: to=<a@b.test>" RELAY_TIMES SENT);
	follow(f);
	assert_tag(f, "A2", "delivered 0 1 1 a@b.test");
}

/* As long as no newline was seen, and from behind it. */
static void
an_endless_line_is_passed_over(void **arg)
{
	struct fixture *f = *arg;
	char *text = malloc(400001);

	tag(f, "A1", "b.test", "a@b.test", 1);
	memset(text, 'x', 400000);
	text[400000] = '\0';
	append(text);
	append(SMTP "A1: removed");
	follow(f);
	append("\n" SMTP "A1: to=<a@b.test>" RELAY_TIMES SENT);
	follow(f);
	assert_tag(f, "A1", "delivered 0 1 1 a@b.test");
	free(text);
}

static void
what_cannot_be_saved_is_read_again(void **arg)
{
	struct fixture *f = *arg;
	char error[256];
	sqlite3 *db;

	tag(f, "A1", "b.test", "a@b.test\nb@b.test", 2);
	append(SMTP "A1: to=<a@b.test>" RELAY_TIMES SENT);
	assert_int_equal(sqlite3_open(f->database, &db), SQLITE_OK);
	sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	assert_false(mail_log_follow(
	    &f->conf, f->store, &settled, error, sizeof(error)));
	assert_non_null(strstr(error, "locked"));
	sqlite3_close(db);
	assert_tag(f, "A1", "held 2 0 0 a@b.test,b@b.test");
	follow(f);
	assert_tag(f, "A1", "held 1 1 1 b@b.test");
}

static void
a_log_that_cannot_be_read_is_named(void **arg)
{
	struct fixture *f = *arg;
	char error[256];

	assert_false(mail_log_follow(
	    &f->conf, f->store, &settled, error, sizeof(error)));
	assert_non_null(strstr(error, "mail.log: No such file"));
	assert_int_equal(mkfifo(log_path, 0600), 0);
	assert_false(mail_log_follow(
	    &f->conf, f->store, &settled, error, sizeof(error)));
	assert_non_null(strstr(error, "mail.log: is no plain file"));
	f->conf.mail_log = (char[]) { "" };
	follow(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(outcomes_settle_tags),
		TEST(a_recipient_counts_once),
		TEST(what_the_queue_told_does_not_count_again),
		TEST(an_alias_is_settled_when_the_message_is_removed),
		TEST(what_is_logged_before_the_tag_settles_it_when_it_comes),
		TEST(what_was_logged_early_counts_before_what_is_logged_later),
		TEST(the_end_that_is_logged_early_is_kept_too),
		TEST(nothing_is_kept_that_no_tag_will_come_for),
		TEST(what_is_kept_is_bounded_in_age_and_number),
		TEST(what_odmrd_carries_is_left_to_it),
		TEST(half_a_line_waits_for_the_rest),
		TEST(nothing_is_read_twice),
		TEST(a_rotated_log_is_read_to_its_end),
		TEST(a_rotated_log_is_known_by_any_name),
		TEST(logs_that_came_after_it_are_read_in_their_order),
		TEST(a_log_without_its_predecessor_is_read_from_its_beginning),
		TEST(a_log_that_was_cut_short_is_read_from_its_beginning),
		TEST(an_endless_line_is_passed_over),
		TEST(what_cannot_be_saved_is_read_again),
		TEST(a_log_that_cannot_be_read_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
