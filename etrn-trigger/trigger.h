/* SPDX-License-Identifier: ISC */
/*
 * etrn-trigger(8): what its modes share. A mode runs to its end and returns a
 * sysexits code; the one that did not do all that it was asked for has said
 * why, in one line, by the log (which is standard error on a terminal).
 */
#ifndef TRIGGER_H
#define TRIGGER_H

#include <stdbool.h>

#include "lib/conf.h"
#include "lib/store/store.h"

struct trigger {
	struct conf conf;
	struct store *store;
	bool dry_run; /* -n: says what would be done */
};

/* What the command line says; NULL or false where it was not given. */
struct arguments {
	const char *address; /* -a */
	const char *login;   /* -l */
	long watch;          /* --watch, seconds; 0: once */
	const char *remote;  /* --remote HOST[:PORT] */
	const char *password_file;
	bool starttls, tls;
	char **names;
	int count;
};

typedef int trigger_mode(struct trigger *, const struct arguments *);

/* names.c: etrn-trigger [-a ADDRESS] [-l LOGIN] NAME... */
trigger_mode trigger_names;
/* policy.c: --policy, under spawn(8) */
trigger_mode trigger_policy;
/* probe.c: --probe [--watch SECONDS] */
trigger_mode trigger_probe;
/* remote.c: --remote HOST[:PORT] NAME...; has no store */
trigger_mode trigger_remote;

#endif
