/* SPDX-License-Identifier: ISC */
/*
 * odmrctl's word with the odmrd that runs, over control_socket; what can be
 * said is in odmrd/control.h.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include "odmrctl.h"

enum { DAEMON_FAULT_SIZE = 256 };

enum daemon_answer {
	DAEMON_OK,
	DAEMON_AWAY,   /* no odmrd runs */
	DAEMON_SILENT, /* one does, and the command may not be done: `fault` */
};

typedef void daemon_line(const char *line, void *arg);

/* `visit`, which may be NULL, gets each line of the answer but the last. */
enum daemon_answer daemon_ask(const struct conf *, const char *command,
    daemon_line *visit, void *arg, char fault[DAEMON_FAULT_SIZE]);

/* Something was taken away, and the databases know: ends the sessions that had
 * it, and says so. EX_OK, also if no odmrd runs; or complains. */
int daemon_recheck(struct context *);

#endif
