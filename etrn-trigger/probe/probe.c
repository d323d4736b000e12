/* SPDX-License-Identifier: ISC */
/*
 * etrn-trigger --probe [--watch SECONDS]: instant return. Next hops of backup
 * domains with mail waiting are probed, all at the same time, and the mail of
 * those that came back is released at once. See probe.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/locked_file.h"
#include "lib/log.h"
#include "lib/notify.h"
#include "probe.h"
#include "lib/postfix/program.h"

/* Reading the queue takes a tenth of the time at most. */
enum { LISTING_SHARE = 10 };

/* Threads that a signal leaves behind may use it until the process ends. */
static struct probe probing;
static int home[2];
static volatile sig_atomic_t stopping;

void
probe_fault(struct probe *probe, int code, const char *what)
{
	log_error(NULL, "probe: %s", what);
	if (probe->code == EX_OK)
		probe->code = code;
}

/* ---- jobs ------------------------------------------------------------- */

static void
start_jobs(void)
{
	struct probe_job *job;

	while (probing.threads < PROBE_THREADS_MAX &&
	    (job = TAILQ_FIRST(&probing.waiting)) != NULL) {
		job->home = home[1];
		if (probe_start(job)) {
			TAILQ_REMOVE(&probing.waiting, job, entry);
			TAILQ_INSERT_TAIL(&probing.out, job, entry);
			probing.threads++;
			continue;
		}
		/* There may be one when another has ended. */
		if (probing.threads > 0)
			return;
		TAILQ_REMOVE(&probing.waiting, job, entry);
		strcpy(job->route.why, "no thread");
		probe_result(&probing, job);
	}
}

static void
end_job(void)
{
	struct probe_job *job;
	void *arrived;

	/* Nobody: it was a signal. */
	if (read(home[0], &arrived, sizeof(arrived)) != sizeof(arrived) ||
	    arrived == NULL)
		return;
	job = arrived;
	TAILQ_REMOVE(&probing.out, job, entry);
	probing.threads--;
	probe_result(&probing, job);
}

/* ---- the loop ------------------------------------------------------------ */

/* Begins a round; when the next one is due. */
static int64_t
begin_round(void)
{
	int64_t begin = clock_ms(), took, wait = probing.watch * 1000;

	probe_select(&probing);
	took = clock_ms() - begin;
	return begin +
	    (took * LISTING_SHARE > wait ? took * LISTING_SHARE : wait);
}

static void
wait_for_job(int64_t until)
{
	struct pollfd pfd = { .fd = home[0], .events = POLLIN };
	int64_t left = until - clock_ms();

	if (until == INT64_MAX || !TAILQ_EMPTY(&probing.waiting))
		left = -1;
	else if (left < 0)
		left = 0;
	if (poll(&pfd, 1, (int)left) == 1)
		end_job();
}

static void
run_rounds(void)
{
	int64_t next = clock_ms();

	while (!stopping) {
		if (TAILQ_EMPTY(&probing.waiting) && clock_ms() >= next) {
			next = begin_round();
			if (probing.watch == 0)
				next = INT64_MAX;
		}
		start_jobs();
		if (probing.watch == 0 && probing.threads == 0 &&
		    TAILQ_EMPTY(&probing.waiting))
			break;
		wait_for_job(next);
	}
}

static void
stop(int signo)
{
	void *nobody = NULL;
	int saved = errno;

	(void)signo;
	stopping = 1;
	program_abandon();
	/* Wakes the loop; if the pipe is broken, so are we. */
	if (write(home[1], &nobody, sizeof(nobody)) == -1)
		_exit(EX_OSERR);
	errno = saved;
}

static int
watch(void)
{
	struct sigaction action = { .sa_handler = stop };

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	notify_ready();
	run_rounds();
	notify_stopping();
	return EX_OK;
}

static int
run(void)
{
	int code;

	if (probing.watch > 0)
		return watch();
	run_rounds();
	code = probing.code;
	free(probing.myhostname);
	return code;
}

/* Runs at the same time, such as a service's and one of cron(8), would release
 * the same mail: one does the work. Returns the lock, or -1 and what to exit
 * with. */
static int
take_lock(const struct conf *conf, int *code)
{
	char *path;
	int fd;

	if (asprintf(&path, "%s-probe.lock", conf->database) == -1)
		fatal(EX_OSERR, "out of memory");
	fd = locked_file_open(path, 0600);
	*code = fd != -1 || errno == EWOULDBLOCK ? EX_OK : EX_CANTCREAT;
	if (*code != EX_OK)
		log_error(NULL, "%s: %s", path, locked_file_fault());
	else if (fd == -1)
		log_info(NULL, "probe: another one is running");
	free(path);
	return fd;
}

int
trigger_probe(struct trigger *trigger, const struct arguments *args)
{
	int code, lock = -1;

	if (!trigger->dry_run) {
		lock = take_lock(&trigger->conf, &code);
		if (lock == -1)
			return code;
	}
	probing.trigger = trigger;
	probing.watch = trigger->dry_run ? 0 : args->watch;
	probing.myhostname = strdup(trigger->conf.myhostname);
	TAILQ_INIT(&probing.waiting);
	TAILQ_INIT(&probing.out);
	if (probing.myhostname == NULL || pipe2(home, O_CLOEXEC) == -1)
		fatal(EX_OSERR, "%s", strerror(errno));
	code = run();
	if (lock != -1)
		close(lock);
	return code;
}
