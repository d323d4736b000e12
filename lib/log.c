/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

enum { LINE_MAX_BYTES = 2048 };

static const char *program = "odmr";
static enum log_target target = LOG_TO_STDERR;
static bool debugs;

void
log_open(const char *name, enum log_target where)
{
	program = name;
	target = where;
	if (target == LOG_TO_SYSLOG)
		openlog(program, LOG_PID, LOG_MAIL);
}

static bool
is_printable(unsigned char c)
{
	return c >= 0x20 && c < 0x7f;
}

static bool
is_of_word(unsigned char c)
{
	return isalnum(c) || strchr("@.-_+", c) != NULL;
}

/* Copies `in`, as far as it fits, with every byte that is not plain as \ooo. */
static void
escape(const char *in, bool (*is_plain)(unsigned char), char *out, size_t size)
{
	size_t n = 0;

	for (; *in != '\0' && n + 5 < size; in++) {
		unsigned char c = (unsigned char)*in;

		if (is_plain(c))
			out[n++] = (char)c;
		else
			n += (size_t)snprintf(out + n, 5, "\\%03o", c);
	}
	out[n] = '\0';
}

const char *
log_word(const char *text, char out[LOG_WORD_SIZE])
{
	escape(text, is_of_word, out, LOG_WORD_SIZE);
	return out;
}

/* systemd names the stream that it gave us, which may since have been
 * redirected or inherited from elsewhere. */
static bool
is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream != NULL &&
	    sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	    fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device &&
	    st.st_ino == inode;
}

static void
write_stderr(int priority, const char *line)
{
	char host[256], stamp[32];
	time_t now = time(NULL);
	struct tm tm;

	if (is_journal()) {
		fprintf(stderr, "<%d>%s\n", priority, line);
		return;
	}
	if (!isatty(STDERR_FILENO) && gethostname(host, sizeof(host)) == 0) {
		localtime_r(&now, &tm);
		strftime(stamp, sizeof(stamp), "%b %e %H:%M:%S", &tm);
		fprintf(stderr, "%s %s %s[%d]: %s\n", stamp, host, program,
		    (int)getpid(), line);
		return;
	}
	fprintf(stderr, "%s: %s\n", program, line);
}

static void write_line(int priority, const char *level, const char *id,
    const char *fmt, va_list ap) __attribute__((format(printf, 4, 0)));

static void
write_line(int priority, const char *level, const char *id, const char *fmt,
    va_list ap)
{
	char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES];
	int n;

	n = snprintf(text, sizeof(text), "%.64s%s%s", id != NULL ? id : "",
	    id != NULL ? ": " : "", level);
	vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
	escape(text, is_printable, line, sizeof(line));
	if (target == LOG_TO_SYSLOG)
		syslog(priority, "%s", line);
	else
		write_stderr(priority, line);
}

void
log_info(const char *id, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(LOG_INFO, "", id, fmt, ap);
	va_end(ap);
}

void
log_warning(const char *id, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(LOG_WARNING, "warning: ", id, fmt, ap);
	va_end(ap);
}

void
log_error(const char *id, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(LOG_ERR, "error: ", id, fmt, ap);
	va_end(ap);
}

void
log_set_debug(bool on)
{
	debugs = on;
}

static void __attribute__((format(printf, 2, 3)))
write_debug(const char *id, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(LOG_DEBUG, "debug: ", id, fmt, ap);
	va_end(ap);
}

void
log_state(const char *id, const char *what, const char *of, const char *from,
    const char *to)
{
	if (debugs && strcmp(from, to) != 0)
		write_debug(id, "%s%s%s %s -> %s", what, of != NULL ? " " : "",
		    of != NULL ? of : "", from, to);
}

void
fatal(int exit_code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(LOG_CRIT, "fatal: ", NULL, fmt, ap);
	va_end(ap);
	exit(exit_code);
}
