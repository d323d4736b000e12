/* SPDX-License-Identifier: ISC */
#include <sys/queue.h>
#include <sys/wait.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domain.h"
#include "flusher.h"
#include "log.h"
#include "postqueue.h"

enum { AT_ONCE = 4, SAID_SIZE = 512, REST_MS = 1000 };

struct flush {
	struct later grave;
	TAILQ_ENTRY(flush) entry;
	struct flusher *flusher;
	pid_t pid;  /* 0: waits for its turn */
	bool again; /* it has failed once */
	bool rests; /* before it is tried again */
	int output; /* what the child says, read when it has ended */
	struct timer *timer;
	char domain[DOMAIN_SIZE];
	char id[16];
};

struct flusher {
	struct loop *loop;
	const struct conf *conf;
	int running;
	TAILQ_HEAD(, flush) flushes;
};

static void start_more(struct flusher *flusher);

static void
bury_flush(void *dead)
{
	struct flush *flush = dead;

	if (flush->output != -1)
		close(flush->output);
	timer_free(&flush->timer);
	free(flush);
}

static void
finish(struct flush *flush)
{
	TAILQ_REMOVE(&flush->flusher->flushes, flush, entry);
	loop_bury(flush->flusher->loop, &flush->grave, bury_flush, flush);
}

/* Did it fail? */
static bool
report(const struct flush *flush, int status)
{
	char said[SAID_SIZE];
	ssize_t n;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return false;
	/* Non-blocking: a grandchild may still hold the other end. */
	n = read(flush->output, said, sizeof(said) - 1);
	if (n < 0)
		n = 0;
	said[n] = '\0';
	said[strcspn(said, "\n")] = '\0';
	log_warning(flush->id, "postqueue -s %s: %s %d: %s", flush->domain,
	    WIFEXITED(status) ? "exit status" : "signal",
	    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), said);
	return true;
}

/* postqueue fails where another process has relay.db locked for a moment. */
static void
rest(struct flush *flush)
{
	close(flush->output);
	flush->output = -1;
	flush->pid = 0;
	flush->again = flush->rests = true;
	timer_set(flush->timer, REST_MS);
}

static void
on_child(void *arg)
{
	struct flusher *flusher = arg;
	struct flush *flush, *next;
	int status;

	TAILQ_FOREACH_SAFE(flush, &flusher->flushes, entry, next) {
		if (flush->pid == 0 ||
		    waitpid(flush->pid, &status, WNOHANG) != flush->pid)
			continue;
		flusher->running--;
		timer_stop(flush->timer);
		if (report(flush, status) && WIFEXITED(status) && !flush->again)
			rest(flush);
		else
			finish(flush);
	}
	start_more(flusher);
}

static void
on_timeout(void *arg)
{
	struct flush *flush = arg;

	if (flush->rests) {
		flush->rests = false;
		start_more(flush->flusher);
		return;
	}
	log_warning(flush->id, "postqueue -s %s: no end after %lds, killed",
	    flush->domain, flush->flusher->conf->flush_timeout);
	kill(flush->pid, SIGKILL);
}

static bool
runs(const struct flusher *flusher, const char *domain)
{
	const struct flush *flush;

	TAILQ_FOREACH(flush, &flusher->flushes, entry)
		if (flush->pid != 0 && strcmp(flush->domain, domain) == 0)
			return true;
	return false;
}

static bool
start(struct flush *flush)
{
	struct flusher *flusher = flush->flusher;
	int error = postqueue_spawn(
	    flusher->conf, "-s", flush->domain, &flush->pid, &flush->output);

	if (error != 0) {
		log_error(flush->id, "%s: %s", flusher->conf->postqueue_path,
		    strerror(error));
		finish(flush);
		return false;
	}
	flusher->running++;
	timer_set(flush->timer, flusher->conf->flush_timeout * 1000);
	return true;
}

/* One that runs need not see mail that came after it began: the next of the
 * same domain begins when it has ended, and sees all. */
static bool
may_start(const struct flush *flush)
{
	return flush->pid == 0 && !flush->rests &&
	    flush->flusher->running < AT_ONCE &&
	    !runs(flush->flusher, flush->domain);
}

static void
start_more(struct flusher *flusher)
{
	struct flush *flush, *next;

	TAILQ_FOREACH_SAFE(flush, &flusher->flushes, entry, next)
		if (may_start(flush))
			start(flush);
}

/* One that waits will see all mail that is there now. */
static bool
waits(const struct flusher *flusher, const char *domain)
{
	const struct flush *flush;

	TAILQ_FOREACH(flush, &flusher->flushes, entry)
		if (flush->pid == 0 && strcmp(flush->domain, domain) == 0)
			return true;
	return false;
}

bool
flusher_flush(struct flusher *flusher, const char *domain, const char *id)
{
	struct flush *flush;

	if (waits(flusher, domain))
		return true;
	flush = calloc(1, sizeof(*flush));
	if (flush == NULL ||
	    (flush->timer = timer_new(flusher->loop, on_timeout, flush)) ==
		NULL) {
		log_error(id, "postqueue -s %s: out of memory", domain);
		free(flush);
		return false;
	}
	flush->flusher = flusher;
	flush->output = -1;
	strcpy(flush->domain, domain);
	snprintf(flush->id, sizeof(flush->id), "%s", id);
	TAILQ_INSERT_TAIL(&flusher->flushes, flush, entry);
	return may_start(flush) ? start(flush) : true;
}

struct flusher *
flusher_new(struct loop *loop, const struct conf *conf)
{
	struct flusher *flusher = calloc(1, sizeof(*flusher));

	if (flusher == NULL)
		return NULL;
	flusher->loop = loop;
	flusher->conf = conf;
	TAILQ_INIT(&flusher->flushes);
	if (loop_on_signal(loop, SIGCHLD, on_child, flusher) == -1) {
		free(flusher);
		return NULL;
	}
	return flusher;
}

void
flusher_free(struct flusher **flusher)
{
	struct flush *flush;

	if (*flusher == NULL)
		return;
	while ((flush = TAILQ_FIRST(&(*flusher)->flushes)) != NULL)
		finish(flush);
	free(*flusher);
	*flusher = NULL;
}
