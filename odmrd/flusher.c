/* SPDX-License-Identifier: ISC */
#include <sys/queue.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domain.h"
#include "flusher.h"
#include "log.h"

extern char **environ;

enum { AT_ONCE = 4, SAID_SIZE = 512 };

struct flush {
	TAILQ_ENTRY(flush) entry;
	struct flusher *flusher;
	pid_t pid;  /* 0: waits for its turn */
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
	loop_bury(flush->flusher->loop, bury_flush, flush);
}

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
	log_warning(flush->id, "postqueue -s %s: %s %d: %s", flush->domain,
	    WIFEXITED(status) ? "exit status" : "signal",
	    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), said);
}

static void
on_child(void *arg)
{
	struct flusher *flusher = arg;
	struct flush *flush, *next;
	int status;

	TAILQ_FOREACH_SAFE(flush, &flusher->flushes, entry, next)
	{
		if (flush->pid == 0 ||
		    waitpid(flush->pid, &status, WNOHANG) != flush->pid)
			continue;
		flusher->running--;
		report(flush, status);
		finish(flush);
	}
	start_more(flusher);
}

static void
on_timeout(void *arg)
{
	struct flush *flush = arg;

	log_warning(flush->id, "postqueue -s %s: no end after %lds, killed",
	    flush->domain, flush->flusher->conf->flush_timeout);
	kill(flush->pid, SIGKILL);
}

/* Returns 0 or an errno; on success `flush` has its pid and output. */
static int
spawn(struct flush *flush)
{
	const struct conf *conf = flush->flusher->conf;
	char option_c[] = "-c", option_s[] = "-s";
	char *const argv[] = { conf->postqueue_path, option_c,
		conf->postfix_config_directory, option_s, flush->domain, NULL };
	posix_spawn_file_actions_t actions;
	int ends[2], error;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1)
		return errno;
	error = posix_spawn_file_actions_init(&actions);
	if (error == 0) {
		posix_spawn_file_actions_addopen(
		    &actions, 0, "/dev/null", O_RDONLY, 0);
		posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
		posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
		error = posix_spawn(&flush->pid, conf->postqueue_path, &actions,
		    NULL, argv, environ);
		posix_spawn_file_actions_destroy(&actions);
	}
	close(ends[1]);
	if (error != 0) {
		close(ends[0]);
		flush->pid = 0;
		return error;
	}
	flush->output = ends[0];
	return 0;
}

static void
start_more(struct flusher *flusher)
{
	struct flush *flush, *next;
	int error;

	TAILQ_FOREACH_SAFE(flush, &flusher->flushes, entry, next)
	{
		if (flusher->running >= AT_ONCE)
			return;
		if (flush->pid != 0)
			continue;
		error = spawn(flush);
		if (error != 0) {
			log_error(flush->id, "%s: %s",
			    flusher->conf->postqueue_path, strerror(error));
			finish(flush);
			continue;
		}
		flusher->running++;
		timer_set(flush->timer, flusher->conf->flush_timeout * 1000);
	}
}

void
flusher_flush(struct flusher *flusher, const char *domain, const char *id)
{
	struct flush *flush = calloc(1, sizeof(*flush));

	if (flush == NULL ||
	    (flush->timer = timer_new(flusher->loop, on_timeout, flush)) ==
		NULL) {
		log_error(id, "postqueue -s %s: out of memory", domain);
		free(flush);
		return;
	}
	flush->flusher = flusher;
	flush->output = -1;
	strcpy(flush->domain, domain);
	snprintf(flush->id, sizeof(flush->id), "%s", id);
	TAILQ_INSERT_TAIL(&flusher->flushes, flush, entry);
	start_more(flusher);
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
