/* SPDX-License-Identifier: ISC */
#include <sys/mman.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "program.h"

enum { SILENCE_MS = 60000, LOOK_MS = 200, PIECE = 65536, WORDS_SIZE = 256 };

extern char **environ;

static atomic_bool abandoned;

void
program_abandon(void)
{
	abandoned = true;
}

bool
program_abandoned(void)
{
	return abandoned;
}

int
program_start(
    const char *const *argv, int input, int output, int errors, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	int error = posix_spawn_file_actions_init(&actions);

	if (error != 0)
		return error;
	if (input == -1)
		posix_spawn_file_actions_addopen(
		    &actions, 0, "/dev/null", O_RDONLY, 0);
	else
		posix_spawn_file_actions_adddup2(&actions, input, 0);
	posix_spawn_file_actions_adddup2(&actions, output, 1);
	posix_spawn_file_actions_adddup2(&actions, errors, 2);
	/* POSIX: argv is not written to. */
	error = posix_spawn(pid, argv[0], &actions, NULL,
	    (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

int
program_spawn(const char *const *argv, int errors, pid_t *pid, int *output)
{
	int ends[2], error;

	if (pipe2(ends, O_CLOEXEC) == -1)
		return errno;
	/* Only our end: the child's writes must wait for us. */
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	error = program_start(
	    argv, -1, ends[1], errors == -1 ? ends[1] : errors, pid);
	close(ends[1]);
	if (error != 0)
		close(ends[0]);
	else
		*output = ends[0];
	return error;
}

static bool
complain(const char *const *argv, char *error, size_t size, const char *why)
{
	snprintf(error, size, "%s: %s", argv[0], why);
	return false;
}

/* The last line of what it has said on standard error; empty: nothing. */
static void
last_words(int errors, char words[WORDS_SIZE])
{
	char *line, *end;
	off_t all = errors == -1 ? -1 : lseek(errors, 0, SEEK_END);
	ssize_t n = all == -1
	    ? -1
	    : pread(errors, words, WORDS_SIZE - 1,
		  all < WORDS_SIZE ? 0 : all - WORDS_SIZE + 1);

	end = words + (n > 0 ? n : 0);
	while (end > words && end[-1] == '\n')
		end--;
	*end = '\0';
	line = strrchr(words, '\n');
	if (line != NULL)
		memmove(words, line + 1, strlen(line));
}

/* Waits for the next piece. -1: it did not come. */
static ssize_t
read_piece(int fd, char *piece)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	int waited = 0;
	ssize_t n;

	while (!abandoned && waited < SILENCE_MS) {
		n = read(fd, piece, PIECE);
		if (n >= 0 || (errno != EAGAIN && errno != EINTR))
			return n;
		if (poll(&poll_fd, 1, LOOK_MS) == 0)
			waited += LOOK_MS;
	}
	errno = abandoned ? ECANCELED : ETIMEDOUT;
	return -1;
}

static bool
read_all(int fd, const char *const *argv, program_take *take, void *arg,
    char *error, size_t size)
{
	char piece[PIECE];
	ssize_t n;

	while ((n = read_piece(fd, piece)) > 0)
		if (!take(arg, piece, (size_t)n))
			return false;
	if (n == -1)
		complain(argv, error, size, strerror(errno));
	return n == 0;
}

/* It may have closed its output and stay. */
static bool
ends_soon(pid_t pid, int *status)
{
	int waited = 0, pause = 1;

	while (!abandoned && waited < SILENCE_MS) {
		if (waitpid(pid, status, WNOHANG) == pid)
			return true;
		waited += pause;
		poll(NULL, 0, pause);
		if (pause < LOOK_MS)
			pause *= 2;
	}
	return false;
}

static bool
ended_well(
    pid_t pid, int errors, const char *const *argv, char *error, size_t size)
{
	char why[64], words[WORDS_SIZE];
	int status;

	if (!ends_soon(pid, &status)) {
		kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
			continue;
		return complain(argv, error, size,
		    strerror(abandoned ? ECANCELED : ETIMEDOUT));
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	last_words(errors, words);
	if (words[0] != '\0')
		return complain(argv, error, size, words);
	if (WIFEXITED(status))
		snprintf(
		    why, sizeof(why), "exit status %d", WEXITSTATUS(status));
	else
		snprintf(
		    why, sizeof(why), "ended by signal %d", WTERMSIG(status));
	return complain(argv, error, size, why);
}

static bool
run(const char *const *argv, int errors, program_take *take, void *arg,
    char *error, size_t size)
{
	char unheard[64];
	int output = -1, reason;
	bool taken;
	pid_t pid = 0;

	reason = program_spawn(argv, errors, &pid, &output);
	if (reason != 0 || pid <= 0)
		return complain(argv, error, size, strerror(reason));
	taken = read_all(output, argv, take, arg, error, size);
	close(output);
	if (!taken) {
		kill(pid, SIGKILL);
		ended_well(pid, errors, argv, unheard, sizeof(unheard));
		return false;
	}
	return ended_well(pid, errors, argv, error, size);
}

bool
program_run_mixed(const char *const *argv, program_take *take, void *arg,
    char *error, size_t size)
{
	return run(argv, -1, take, arg, error, size);
}

/* What it says on standard error is kept in memory until it has ended: then it
 * need not be waited for, and the last of it tells most. */
bool
program_run(const char *const *argv, program_take *take, void *arg, char *error,
    size_t size)
{
	int errors = memfd_create("errors", MFD_CLOEXEC);
	bool ok;

	if (errors == -1)
		return complain(argv, error, size, strerror(errno));
	ok = run(argv, errors, take, arg, error, size);
	close(errors);
	return ok;
}
