/* SPDX-License-Identifier: ISC */
/*
 * What the files of --probe share. A round asks database and queue which next
 * hops are to be probed, and makes a job for each (probe_select.c); each job
 * has a thread (probe_job.c), so that they run next to one another; what comes
 * of it is acted upon as soon as it is there (probe_result.c).
 *
 * A thread knows its job and nothing else, and comes back through a pipe. All
 * else, the database above all, is the main thread's.
 */
#ifndef PROBE_H
#define PROBE_H

#include <sys/queue.h>

#include "etrn-trigger/trigger.h"
#include "lib/domain.h"
#include "lib/smtp/route.h"

enum { PROBE_THREADS_MAX = 256 };

struct probe_job {
	TAILQ_ENTRY(probe_job) entry; /* the main thread's */
	char domain[DOMAIN_SIZE];
	int64_t messages; /* that wait */
	int64_t begun;    /* when its round began */
	bool known;       /* `state` comes from an earlier probe */
	struct probe_state state;
	char nexthop[NEXTHOP_TEXT_SIZE];
	const char *myhostname; /* lives as long as the thread may */
	int home;               /* where its address is written to at the end */
	/* what the thread finds out */
	struct route route;
	const char *host; /* that answered, or NULL: route.why */
};

TAILQ_HEAD(probe_jobs, probe_job);

struct probe {
	const struct trigger *trigger;
	char *myhostname;
	long watch; /* seconds between rounds; 0: only one */
	struct probe_jobs waiting;
	struct probe_jobs out; /* have a thread */
	int threads;
	int code; /* of the first thing that failed */
};

/* One line in the log, and the exit status of a run that is not repeated. */
void probe_fault(struct probe *, int code, const char *what);

/* Puts the jobs of a round into `waiting`. */
void probe_select(struct probe *);

/* Starts the thread. Until the job's address comes out of `home`, nobody else
 * may touch it. False: there can be no further thread now. */
bool probe_start(struct probe_job *);

/* Releases the domain of a host that came back, and keeps what was found out.
 * The job is gone then. */
void probe_result(struct probe *, struct probe_job *);

#endif
