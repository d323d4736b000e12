/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/log.h"

static char captured[8192];

/* Standard error goes to a file from here to release(). */
static int saved = -1;
static FILE *sink;

static void
capture(void)
{
	sink = tmpfile();
	assert_non_null(sink);
	fflush(stderr);
	saved = dup(STDERR_FILENO);
	assert_int_not_equal(saved, -1);
	dup2(fileno(sink), STDERR_FILENO);
}

/* Returns what was written meanwhile. */
static const char *
release(void)
{
	size_t len;

	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(sink);
	len = fread(captured, 1, sizeof(captured) - 1, sink);
	captured[len] = '\0';
	fclose(sink);
	return captured;
}

static void
assert_contains(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static size_t
lines_in(const char *text)
{
	size_t lines = 0;

	for (; *text != '\0'; text++)
		lines += *text == '\n';
	return lines;
}

static void
a_line_has_program_pid_id_and_text(void **state)
{
	char head[64];

	(void)state;
	log_open("odmr-test", LOG_TO_STDERR);
	capture();
	log_info("7F3A01", "delivered=%d", 12);
	release();
	snprintf(head, sizeof(head), " odmr-test[%d]: 7F3A01: delivered=12\n",
	    (int)getpid());
	assert_contains(captured, head);
}

static void
levels_stand_before_the_text(void **state)
{
	(void)state;
	capture();
	log_warning(NULL, "first");
	log_error("A1", "second");
	release();
	assert_contains(captured, "]: warning: first\n");
	assert_contains(captured, "]: A1: error: second\n");
}

static void
a_peer_cannot_forge_a_line(void **state)
{
	(void)state;
	capture();
	log_info("id\n", "said=%s", "a\r\nfake\tline \033[31m \303\274 \177");
	release();
	assert_int_equal(lines_in(captured), 1);
	assert_contains(captured,
	    "id\\012: said=a\\015\\012fake\\011line \\033[31m \\303\\274 "
	    "\\177\n");
}

static void
a_long_text_is_cut_to_one_line(void **state)
{
	char *text = malloc(100001);

	(void)state;
	assert_non_null(text);
	memset(text, '\n', 100000);
	text[100000] = '\0';
	capture();
	log_info(NULL, "%s", text);
	log_info(text, "%s", text);
	release();
	free(text);
	assert_int_equal(lines_in(captured), 2);
	assert_in_range(strlen(captured), 2000, 6000);
}

/* As if systemd had given us standard error, or with an offset another file
 * on its device. */
static void
log_under_systemd(int offset)
{
	char stream[64];
	struct stat st;

	capture();
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu",
	    (unsigned long long)st.st_dev,
	    (unsigned long long)st.st_ino + (unsigned)offset);
	setenv("JOURNAL_STREAM", stream, 1);
	log_warning("A1", "text");
	unsetenv("JOURNAL_STREAM");
	release();
}

static void
under_systemd_the_priority_stands_in_front(void **state)
{
	(void)state;
	log_under_systemd(0);
	assert_string_equal(captured, "<4>A1: warning: text\n");
}

static void
a_journal_that_standard_error_is_not_changes_nothing(void **state)
{
	(void)state;
	log_under_systemd(1);
	assert_contains(captured, "odmr-test[");
}

static void
fatal_logs_and_exits_with_the_code(void **state)
{
	int status = 0;
	pid_t pid;

	(void)state;
	capture();
	pid = fork();
	if (pid == 0)
		fatal(EX_CONFIG, "%s: bad", "file");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	release();
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EX_CONFIG);
	assert_contains(captured, "]: fatal: file: bad\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_program_pid_id_and_text),
		cmocka_unit_test(levels_stand_before_the_text),
		cmocka_unit_test(a_peer_cannot_forge_a_line),
		cmocka_unit_test(a_long_text_is_cut_to_one_line),
		cmocka_unit_test(under_systemd_the_priority_stands_in_front),
		cmocka_unit_test(
		    a_journal_that_standard_error_is_not_changes_nothing),
		cmocka_unit_test(fatal_logs_and_exits_with_the_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
