/* SPDX-License-Identifier: ISC */
/*
 * Workers: threads that do what may take long (databases, password hashing)
 * so that the loop never waits. A job's work() runs on a worker thread with
 * that thread's store; its done() runs in the loop afterwards, always and
 * exactly once, and is where the job is freed. What work() touches belongs to
 * the job alone while it is submitted.
 *
 * Jobs begin in the order in which they are submitted, but an account has one
 * job at a time: its others let those of everybody else go before them.
 */
#ifndef WORKER_H
#define WORKER_H

#include "lib/conf.h"
#include "odmrd/net/loop.h"
#include "lib/store/store.h"

struct worker;

struct job {
	void (*work)(struct job *job, struct store *store);
	void (*done)(struct job *job);
	int64_t account;  /* whose; 0: nobody's */
	struct job *next; /* worker.c's */
};

/* NULL if the threads could not be started. `conf` is borrowed. */
struct worker *worker_new(
    struct loop *loop, const struct conf *conf, int threads);
/* Jobs not begun yet are done without work(). */
void worker_free(struct worker **worker);

void worker_submit(struct worker *worker, struct job *job);

#endif
