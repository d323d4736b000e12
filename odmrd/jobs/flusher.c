/* SPDX-License-Identifier: ISC */
#include <sys/queue.h>
#include <sys/wait.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/domain.h"
#include "flusher.h"
#include "lib/log.h"
#include "lib/postfix/postqueue.h"

enum { AT_ONCE = 4, SAID_SIZE = 512 };

struct flush {
	struct later grave;
	TAILQ_ENTRY(flush) entry; /* in its line, or among those that run */
	struct flusher *flusher;
	struct flush_line *line; /* NULL: it has ended */
	pid_t pid;               /* 0: waits for its turn */
	int output; /* what the child says, read when it has ended */
	struct timer *timer;
	const char *option; /* of postqueue */
	char operand[DOMAIN_SIZE];
	char id[16];
};

TAILQ_HEAD(flushes, flush);

struct flush_line {
	struct later grave;
	TAILQ_ENTRY(flush_line) entry; /* while something waits in it */
	struct flusher *flusher;
	struct flushes waiting;
	int running;
	struct timer *timer; /* tells its owner; NULL: nobody's */
	bool failed;         /* the last that was started could not be */
	loop_call *ran;
	void *arg;
	const char *id;
};

struct flusher {
	struct loop *loop;
	const struct conf *conf;
	int running;
	struct flushes flushes; /* those that run */
	TAILQ_HEAD(, flush_line) lines;
	struct flush_line common; /* of those who do not wait */
};

/* ---- lines --------------------------------------------------------------- */

bool
flush_line_is_idle(const struct flush_line *line)
{
	return line->running == 0 && TAILQ_EMPTY(&line->waiting);
}

bool
flush_line_works(const struct flush_line *line)
{
	return !line->failed;
}

static void
on_line_timer(void *arg)
{
	struct flush_line *line = arg;

	if (flush_line_is_idle(line))
		line->ran(line->arg);
}

static void
tell(struct flush_line *line)
{
	if (line->timer != NULL && flush_line_is_idle(line))
		timer_set(line->timer, 0);
}

static void
enter(struct flush_line *line, struct flush *flush)
{
	if (TAILQ_EMPTY(&line->waiting))
		TAILQ_INSERT_TAIL(&line->flusher->lines, line, entry);
	TAILQ_INSERT_TAIL(&line->waiting, flush, entry);
}

static void
leave(struct flush_line *line, struct flush *flush)
{
	TAILQ_REMOVE(&line->waiting, flush, entry);
	if (TAILQ_EMPTY(&line->waiting))
		TAILQ_REMOVE(&line->flusher->lines, line, entry);
}

static void
line_init(struct flush_line *line, struct flusher *flusher)
{
	line->flusher = flusher;
	TAILQ_INIT(&line->waiting);
}

/* ---- runs ---------------------------------------------------------------- */

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

/* It neither waits nor runs any more. */
static void
finish(struct flush *flush)
{
	if (flush->line != NULL)
		tell(flush->line);
	loop_bury(flush->flusher->loop, &flush->grave, bury_flush, flush);
}

/* Did it fail? */
static void
report(const struct flush *flush, int status)
{
	char said[SAID_SIZE];
	ssize_t n;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	/* Non-blocking: a grandchild may still hold the other end. */
	n = read(flush->output, said, sizeof(said) - 1);
	if (n < 0)
		n = 0;
	said[n] = '\0';
	said[strcspn(said, "\n")] = '\0';
	log_warning(flush->id, "postqueue %s %s: %s %d: %s", flush->option,
	    flush->operand, WIFEXITED(status) ? "exit status" : "signal",
	    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), said);
}

static void
end(struct flush *flush, int status)
{
	report(flush, status);
	timer_stop(flush->timer);
	TAILQ_REMOVE(&flush->flusher->flushes, flush, entry);
	flush->flusher->running--;
	if (flush->line != NULL)
		flush->line->running--;
	finish(flush);
}

static void
on_child(void *arg)
{
	struct flusher *flusher = arg;
	struct flush *flush, *next;
	int status;

	TAILQ_FOREACH_SAFE(flush, &flusher->flushes, entry, next)
		if (waitpid(flush->pid, &status, WNOHANG) == flush->pid)
			end(flush, status);
	start_more(flusher);
}

static void
on_timeout(void *arg)
{
	struct flush *flush = arg;

	log_warning(flush->id, "postqueue %s %s: no end after %lds, killed",
	    flush->option, flush->operand, flush->flusher->conf->flush_timeout);
	kill(flush->pid, SIGKILL);
}

static bool
among(const struct flushes *flushes, const char *option, const char *operand)
{
	const struct flush *flush;

	TAILQ_FOREACH(flush, flushes, entry)
		if (strcmp(flush->option, option) == 0 &&
		    strcmp(flush->operand, operand) == 0)
			return true;
	return false;
}

/* Out of its line. */
static bool
start(struct flush *flush)
{
	struct flusher *flusher = flush->flusher;
	int error = postqueue_spawn(flusher->conf, flush->option,
	    flush->operand, &flush->pid, &flush->output);

	leave(flush->line, flush);
	flush->line->failed = error != 0;
	if (error != 0) {
		log_error(flush->id, "%s: %s", flusher->conf->postqueue_path,
		    strerror(error));
		finish(flush);
		return false;
	}
	TAILQ_INSERT_TAIL(&flusher->flushes, flush, entry);
	flusher->running++;
	flush->line->running++;
	timer_set(flush->timer, flusher->conf->flush_timeout * 1000);
	return true;
}

/* One that runs need not see mail that came after it began: the next of the
 * same domain begins when it has ended, and sees all. */
static bool
may_start(const struct flush *flush)
{
	return flush->flusher->running < AT_ONCE &&
	    !among(&flush->flusher->flushes, flush->option, flush->operand);
}

/* The first that may start, of the line whose turn it is. */
static struct flush *
next_flush(struct flusher *flusher)
{
	struct flush_line *line;
	struct flush *flush;

	TAILQ_FOREACH(line, &flusher->lines, entry)
		TAILQ_FOREACH(flush, &line->waiting, entry)
			if (may_start(flush)) {
				TAILQ_REMOVE(&flusher->lines, line, entry);
				TAILQ_INSERT_TAIL(&flusher->lines, line, entry);
				return flush;
			}
	return NULL;
}

static void
start_more(struct flusher *flusher)
{
	struct flush *flush;

	while (
	    flusher->running < AT_ONCE && (flush = next_flush(flusher)) != NULL)
		start(flush);
}

/* ---- asking -------------------------------------------------------------- */

static struct flush *
flush_new(struct flush_line *line, const char *option, const char *operand,
    const char *id)
{
	struct flush *flush = calloc(1, sizeof(*flush));

	if (flush != NULL)
		flush->timer =
		    timer_new(line->flusher->loop, on_timeout, flush);
	if (flush == NULL || flush->timer == NULL) {
		log_error(
		    id, "postqueue %s %s: out of memory", option, operand);
		free(flush);
		return NULL;
	}
	flush->flusher = line->flusher;
	flush->line = line;
	flush->output = -1;
	flush->option = option;
	strlcpy(flush->operand, operand, sizeof(flush->operand));
	strlcpy(flush->id, id, sizeof(flush->id));
	return flush;
}

/* One that waits will see all mail that is there now. */
static bool
add(struct flush_line *line, const char *option, const char *operand,
    const char *id)
{
	struct flush *flush;

	if (among(&line->waiting, option, operand))
		return true;
	flush = flush_new(line, option, operand, id);
	if (flush == NULL) {
		tell(line);
		return false;
	}
	enter(line, flush);
	return may_start(flush) ? start(flush) : true;
}

bool
flusher_flush(struct flusher *flusher, const char *domain, const char *id)
{
	return add(&flusher->common, "-s", domain, id);
}

bool
flush_line_add(struct flush_line *line, const char *domain)
{
	return add(line, "-s", domain, line->id);
}

bool
flush_line_add_message(struct flush_line *line, const char *queue_id)
{
	return add(line, "-i", queue_id, line->id);
}

struct flush_line *
flush_line_new(
    struct flusher *flusher, const char *id, loop_call *ran, void *arg)
{
	struct flush_line *line = calloc(1, sizeof(*line));

	if (line == NULL)
		return NULL;
	line_init(line, flusher);
	line->ran = ran;
	line->arg = arg;
	line->id = id;
	line->timer = timer_new(flusher->loop, on_line_timer, line);
	if (line->timer == NULL) {
		free(line);
		return NULL;
	}
	return line;
}

static void
bury_line(void *dead)
{
	struct flush_line *line = dead;

	timer_free(&line->timer);
	free(line);
}

static void
empty(struct flush_line *line)
{
	struct flush *flush;

	while ((flush = TAILQ_FIRST(&line->waiting)) != NULL) {
		leave(line, flush);
		flush->line = NULL;
		timer_stop(flush->timer);
		finish(flush);
	}
}

void
flush_line_free(struct flush_line **linep)
{
	struct flush_line *line = *linep;
	struct flush *flush;

	*linep = NULL;
	if (line == NULL)
		return;
	empty(line);
	TAILQ_FOREACH(flush, &line->flusher->flushes, entry)
		if (flush->line == line)
			flush->line = NULL;
	timer_stop(line->timer);
	loop_bury(line->flusher->loop, &line->grave, bury_line, line);
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
	TAILQ_INIT(&flusher->lines);
	line_init(&flusher->common, flusher);
	if (loop_on_signal(loop, SIGCHLD, on_child, flusher) == -1) {
		free(flusher);
		return NULL;
	}
	return flusher;
}

void
flusher_free(struct flusher **flusherp)
{
	struct flusher *flusher = *flusherp;
	struct flush *flush;

	if (flusher == NULL)
		return;
	empty(&flusher->common);
	while ((flush = TAILQ_FIRST(&flusher->flushes)) != NULL) {
		TAILQ_REMOVE(&flusher->flushes, flush, entry);
		finish(flush);
	}
	free(flusher);
	*flusherp = NULL;
}
