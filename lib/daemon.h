/* SPDX-License-Identifier: ISC */
/*
 * A word with the odmrd that runs, over control_socket; what can be said is in
 * odmrd/control.h. It hears only root and its own user.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include "conf.h"

enum { DAEMON_FAULT_SIZE = 256 };

enum daemon_answer {
	DAEMON_OK,
	DAEMON_AWAY,   /* no odmrd runs: `fault` */
	DAEMON_SILENT, /* one does, and the command may not be done: `fault` */
};

typedef void daemon_line(const char *line, void *arg);

/* `visit`, which may be NULL, gets each line of the answer but the last. The
 * whole answer has to come within 10 seconds, and be no longer than those of
 * an odmrd are: it may be another process of its user that is there. */
enum daemon_answer daemon_ask(const struct conf *, const char *command,
    daemon_line *visit, void *arg, char fault[DAEMON_FAULT_SIZE]);

/* What is left of `line` behind the word; NULL: it begins otherwise. */
const char *daemon_behind(const char *line, const char *word);

#endif
