/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/conf.h"
#include "lib/setting.h"

static char path[] = "/tmp/odmr-conf-XXXXXX";

static void
write_bytes(const char *text, size_t len)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static void
load(struct conf *conf, const char *text)
{
	char error[CONF_ERROR_SIZE] = "unset";

	write_bytes(text, strlen(text));
	if (!conf_load(conf, path, error))
		fail_msg("%s", error);
}

/* Is refused, with exactly this behind the path. */
static void
refuse_bytes(const char *text, size_t len, const char *message)
{
	struct conf conf;
	char error[CONF_ERROR_SIZE] = "unset", expected[CONF_ERROR_SIZE];

	write_bytes(text, len);
	assert_false(conf_load(&conf, path, error));
	snprintf(expected, sizeof(expected), "%s:%s", path, message);
	assert_string_equal(error, expected);
	assert_null(conf.user);
	conf_free(&conf);
}

static void
refuse(const char *text, const char *message)
{
	refuse_bytes(text, strlen(text), message);
}

static void
an_empty_file_gives_the_defaults(void **state)
{
	struct conf conf;
	char host[256];

	(void)state;
	load(&conf, "");
	assert_string_equal(conf.user, "odmr");
	assert_string_equal(conf.database, "/var/lib/odmr/odmr.db");
	assert_string_equal(conf.tls_cert_file, "");
	assert_int_equal(conf.auth_time_limit, 120);
	assert_int_equal(conf.line_length_limit, 16 * 1024);
	gethostname(host, sizeof(host));
	assert_string_equal(conf.myhostname, host);
	conf_free(&conf);
	assert_null(conf.user);
	conf_free(&conf);
}

static void
names_values_and_units_are_read(void **state)
{
	struct conf conf;

	(void)state;
	load(&conf,
	    "user=alice\n"
	    "postfix_user\t =  bob smith \t\r\n"
	    "myhostname = mx.example.org\n"
	    "tls_key_file =\n"
	    "tls_cert_file = a=b\n"
	    "auth_time_limit = 7\n"
	    "command_time_limit = 7s\n"
	    "customer_timeout = 2M\n"
	    "drain_wait = 3h\n"
	    "stop_timeout = 1d\n"
	    "line_length_limit = 1000\n"
	    "message_buffer = 2m\n"
	    "reverse_tls = require\n"
	    "submission = yes\n"
	    "session_limit = 5");
	assert_string_equal(conf.user, "alice");
	assert_string_equal(conf.postfix_user, "bob smith");
	assert_string_equal(conf.myhostname, "mx.example.org");
	assert_string_equal(conf.tls_key_file, "");
	assert_string_equal(conf.tls_cert_file, "a=b");
	assert_int_equal(conf.auth_time_limit, 7);
	assert_int_equal(conf.command_time_limit, 7);
	assert_int_equal(conf.customer_timeout, 120);
	assert_int_equal(conf.drain_wait, 3 * 3600);
	assert_int_equal(conf.stop_timeout, 86400);
	assert_int_equal(conf.line_length_limit, 1000);
	assert_int_equal(conf.message_buffer, 2 * 1024 * 1024);
	assert_int_equal(conf.reverse_tls, REVERSE_TLS_REQUIRE);
	assert_int_equal(conf.submission, 1);
	assert_int_equal(conf.session_limit, 5);
	conf_free(&conf);
}

static void
lines_continue_behind_white_space_and_across_comments(void **state)
{
	struct conf conf;

	(void)state;
	load(&conf,
	    "# first\n"
	    "\n"
	    "listen = *:366,\n"
	    "   [::]:366,  \n"
	    "# between\n"
	    "  # indented\n"
	    "\t\n"
	    "\t192.0.2.1:25\n"
	    "user =\n"
	    " alice\n");
	assert_string_equal(conf.listen, "*:366, [::]:366, 192.0.2.1:25");
	assert_string_equal(conf.user, "alice");
	conf_free(&conf);
}

static void
what_is_no_setting_is_refused_with_its_line(void **state)
{
	(void)state;
	refuse(
	    "user = a\nuzer = b\n", "2: \"uzer\" is no setting of odmr.conf");
	refuse("USER = a\n", "1: \"USER\" is no setting of odmr.conf");
	refuse(" = a\n", "1: begins with white space but continues no setting");
	refuse("= a\n", "1: \"\" is no setting of odmr.conf");
	refuse("\n# x\nuser odmr\n", "3: not of the form \"name = value\"");
	refuse("user = a\n\nuser = a\n", "3: \"user\" is set twice");
	refuse("user = a\nuzer =\n b\n c\nlog = syslog\n",
	    "2: \"uzer\" is no setting of odmr.conf");
}

static void
a_bad_value_is_refused_with_its_line(void **state)
{
	(void)state;
	refuse("drain_wait = soon\n",
	    "1: drain_wait: \"soon\" is no time such as 30s or 5m");
	refuse("drain_wait = -5\n",
	    "1: drain_wait: \"-5\" is no time such as 30s or 5m");
	refuse("drain_wait = 5 s\n",
	    "1: drain_wait: \"5 s\" is no time such as 30s or 5m");
	refuse("drain_wait = 5ms\n",
	    "1: drain_wait: \"5ms\" is no time such as 30s or 5m");
	refuse("drain_wait =\n",
	    "1: drain_wait: \"\" is no time such as 30s or 5m");
	refuse("drain_wait = 99999999999999999999\n",
	    "1: drain_wait: \"99999999999999999999\" is no time such as 30s "
	    "or 5m");
	refuse("message_buffer = 9223372036854775807k\n",
	    "1: message_buffer: \"9223372036854775807k\" is no size such as "
	    "512, 64k or 1m");
	refuse("message_buffer = 5h\n",
	    "1: message_buffer: \"5h\" is no size such as 512, 64k or 1m");
	refuse(
	    "log = printer\n", "1: log: \"printer\" is none of syslog|stderr");
	refuse("log = sys\n", "1: log: \"sys\" is none of syslog|stderr");
	refuse("submission = maybe\n",
	    "1: submission: \"maybe\" is none of no|yes");
	refuse("session_limit = 5k\n", "1: session_limit: \"5k\" is no number");
	refuse("line_length_limit = 511\n",
	    "1: line_length_limit: \"511\" is less than 512");
	refuse("message_buffer = 4095\n",
	    "1: message_buffer: \"4095\" is less than 4096");
}

static void
a_nul_does_not_cut_a_line_short(void **state)
{
	static const char text[] = "log = stderr\nuser = odmr\0x\n";

	(void)state;
	refuse_bytes(text, sizeof(text) - 1, "2: has a NUL byte");
}

static void
a_line_of_a_megabyte_is_read_whole(void **state)
{
	enum { LENGTH = 1024 * 1024 };
	struct conf conf;
	char *text = malloc(LENGTH + 16);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', LENGTH + 16);
	memcpy(text, "user = ", 7);
	text[LENGTH] = '\0';
	load(&conf, text);
	assert_int_equal(strlen(conf.user), LENGTH - 7);
	conf_free(&conf);
	text[0] = '=';
	refuse(text, "1: \"\" is no setting of odmr.conf");
	free(text);
}

static void
a_file_that_cannot_be_read_is_refused(void **state)
{
	struct conf conf;
	char error[CONF_ERROR_SIZE];

	(void)state;
	assert_false(conf_load(&conf, "/nonexistent/odmr.conf", error));
	assert_string_equal(
	    error, "/nonexistent/odmr.conf: No such file or directory");
	assert_null(conf.user);
	assert_false(conf_load(&conf, "/tmp", error));
	assert_string_equal(error, "/tmp: Is a directory");
	assert_null(conf.user);
}

static void
the_defaults_written_down_are_a_valid_file(void **state)
{
	const struct setting *setting;
	struct conf conf, defaults;
	char text[8192] = "";
	size_t used = 0;

	(void)state;
	for (size_t i = 0; (setting = setting_at(i)) != NULL; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
		    "%s = %s\n", setting->name, setting->value);
	assert_non_null(strstr(text, "\nmilter_pid_file = "));
	load(&defaults, "");
	load(&conf, text);
	assert_string_equal(conf.listen, defaults.listen);
	assert_int_equal(conf.flush_timeout, defaults.flush_timeout);
	conf_free(&conf);
	conf_free(&defaults);
}

static int
make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd == -1 ? -1 : close(fd);
}

static int
remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_gives_the_defaults),
		cmocka_unit_test(names_values_and_units_are_read),
		cmocka_unit_test(
		    lines_continue_behind_white_space_and_across_comments),
		cmocka_unit_test(what_is_no_setting_is_refused_with_its_line),
		cmocka_unit_test(a_bad_value_is_refused_with_its_line),
		cmocka_unit_test(a_nul_does_not_cut_a_line_short),
		cmocka_unit_test(a_line_of_a_megabyte_is_read_whole),
		cmocka_unit_test(a_file_that_cannot_be_read_is_refused),
		cmocka_unit_test(the_defaults_written_down_are_a_valid_file),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
