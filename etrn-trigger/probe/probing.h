/* SPDX-License-Identifier: ISC */
/*
 * What the files of --probe share. A round asks databases and queue which next
 * hops are to be probed, and makes an errand for each; the prober's threads run
 * them; the outcome of each is acted upon as soon as it is there.
 */
#ifndef PROBING_H
#define PROBING_H

#include <sys/queue.h>

#include "prober.h"
#include "etrn-trigger/trigger.h"

TAILQ_HEAD(errands, errand);

struct probing {
	const struct trigger *trigger;
	char *myhostname;
	long watch; /* seconds between rounds; 0: only one */
	struct errands waiting;
	struct errands out; /* have a thread */
	int threads;
	int code; /* of the first thing that failed */
};

/* One line in the log, and the exit status of a run that is not repeated. */
void probing_fault(struct probing *probing, int code, const char *what);

/* round.c: puts errands into `waiting`. */
void round_begin(struct probing *probing);

/* outcome.c: releases the domain of a host that came back, and keeps what was
 * found out. */
void outcome_take(struct probing *probing, struct errand *errand);

#endif
