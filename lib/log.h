/* SPDX-License-Identifier: ISC */
/*
 * The log: one line an event, in Postfix's style,
 *
 *	odmrd[4711]: 7F3A01: text key=value ...
 *
 * to syslog (facility mail) or to standard error. Under systemd, standard
 * error carries the priority in front and leaves time and name to journald.
 * Whatever stands in a line that is not printable ASCII is written as \ooo, so
 * that a peer cannot forge lines. May be called from any thread.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>

enum log_target { LOG_TO_STDERR, LOG_TO_SYSLOG };

/* Until log_open is called, lines go to standard error. `program` is kept. */
void log_open(const char *program, enum log_target target);

/* `id` is the session or message that the line is about, or NULL. */
void log_info(const char *id, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void log_warning(const char *id, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void log_error(const char *id, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Whether changes of state are logged; at first they are not. */
void log_set_debug(bool on);
/* "debug: message 4jX8B2 waiting -> sending"; `of`, here the queue id, may be
 * NULL. Only for the thread of log_set_debug. */
void log_state(const char *id, const char *what, const char *of,
    const char *from, const char *to);

/*
 * What a peer calls itself, as one word of a line: blanks and whatever else
 * could look like another word are written as \ooo too, a long one is cut.
 */
enum { LOG_WORD_SIZE = 256 };
const char *log_word(const char *text, char out[LOG_WORD_SIZE]);

/* Only before a daemon's loop starts: logs and exits with a sysexits code. */
_Noreturn void fatal(int exit_code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
