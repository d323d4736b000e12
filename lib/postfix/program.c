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
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "program.h"

enum { SILENCE = 60, LOOK_MS = 200, PIECE = 65536, WORDS_SIZE = 256 };

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

static int
start(const char *const *argv, int input, int output, int errors, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	int error = posix_spawn_file_actions_init(&actions);

	if (error != 0)
		return error;
	if (input == 0)
		posix_spawn_file_actions_addopen(
		    &actions, 0, "/dev/null", O_RDONLY, 0);
	else
		posix_spawn_file_actions_adddup2(&actions, input, 0);
	posix_spawn_file_actions_adddup2(&actions, output, 1);
	posix_spawn_file_actions_adddup2(
	    &actions, errors == -1 ? output : errors, 2);
	/* POSIX: argv is not written to. */
	error = posix_spawn(pid, argv[0], &actions, NULL,
	    (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

static int
spawn(const char *const *argv, int input, int errors, pid_t *pid, int *output)
{
	int ends[2], error;

	if (pipe2(ends, O_CLOEXEC) == -1)
		return errno;
	/* Only our end: the child's writes must wait for us. */
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	error = start(argv, input, ends[1], errors, pid);
	close(ends[1]);
	if (error != 0)
		close(ends[0]);
	else
		*output = ends[0];
	return error;
}

int
program_spawn(const char *const *argv, int errors, pid_t *pid, int *output)
{
	return spawn(argv, 0, errors, pid, output);
}

/* A program that is run to its end. */
struct run {
	const struct program *program;
	int errors; /* as for program_spawn */
	long seconds;
	char *error;
	size_t size;
};

static bool
complain(const struct run *run, const char *why)
{
	snprintf(run->error, run->size, "%s: %s", run->program->argv[0], why);
	return false;
}

static bool
complain_of_limit(const struct run *run)
{
	char why[WORDS_SIZE];

	if (abandoned)
		return complain(run, strerror(ECANCELED));
	snprintf(why, sizeof(why), "no output and no end for %lds, killed",
	    run->seconds);
	return complain(run, why);
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

/* Waits for the next piece. -1: it did not come, which is said. */
static ssize_t
read_piece(const struct run *run, int fd, char *piece)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	long waited = 0;
	ssize_t n;

	while (!abandoned && waited < run->seconds * 1000) {
		n = read(fd, piece, PIECE);
		if (n >= 0)
			return n;
		if (errno != EAGAIN && errno != EINTR) {
			complain(run, strerror(errno));
			return -1;
		}
		if (poll(&poll_fd, 1, LOOK_MS) == 0)
			waited += LOOK_MS;
	}
	complain_of_limit(run);
	return -1;
}

static bool
read_all(const struct run *run, int fd)
{
	const struct program *program = run->program;
	char piece[PIECE];
	ssize_t n;

	while ((n = read_piece(run, fd, piece)) > 0)
		if (program->take != NULL &&
		    !program->take(program->arg, piece, (size_t)n))
			return false;
	return n == 0;
}

/* It may have closed its output and stay. */
static bool
ends_soon(const struct run *run, pid_t pid, int *status)
{
	long waited = 0;
	int pause = 1;

	while (!abandoned && waited < run->seconds * 1000) {
		if (waitpid(pid, status, WNOHANG) == pid)
			return true;
		waited += pause;
		poll(NULL, 0, pause);
		if (pause < LOOK_MS)
			pause *= 2;
	}
	return false;
}

static void
end(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		continue;
}

/* Each of Postfix's programs warns of what is odd in main.cf. */
static bool
is_no_fault(const char *words)
{
	return words[0] == '\0' || strstr(words, ": warning: ") != NULL;
}

static bool
ended_well(const struct run *run, pid_t pid)
{
	char words[WORDS_SIZE];
	int status;

	if (!ends_soon(run, pid, &status)) {
		end(pid);
		return complain_of_limit(run);
	}
	last_words(run->errors, words);
	if (WIFEXITED(status) &&
	    (WEXITSTATUS(status) == 0 ||
		(is_no_fault(words) &&
		    WEXITSTATUS(status) == run->program->also))) {
		snprintf(run->error, run->size, "%s", words);
		return true;
	}
	if (words[0] == '\0' && WIFEXITED(status))
		snprintf(words, sizeof(words), "exit status %d",
		    WEXITSTATUS(status));
	else if (words[0] == '\0')
		snprintf(words, sizeof(words), "ended by signal %d",
		    WTERMSIG(status));
	return complain(run, words);
}

static bool
run_to_end(const struct run *run)
{
	int output = -1, reason;
	bool taken;
	pid_t pid = 0;

	reason = spawn(run->program->argv, run->program->input, run->errors,
	    &pid, &output);
	if (reason != 0 || pid <= 0)
		return complain(run, strerror(reason));
	taken = read_all(run, output);
	close(output);
	if (taken)
		return ended_well(run, pid);
	end(pid);
	return false;
}

/* What it says on standard error is kept in memory until it has ended: then it
 * need not be waited for, and the last of it tells most. */
bool
program_run(const struct program *program, char *error, size_t size)
{
	struct run run = {
		.program = program,
		.errors = -1,
		.seconds = program->seconds > 0 ? program->seconds : SILENCE,
		.error = error,
		.size = size,
	};
	bool ok;

	if (program->mixed)
		return run_to_end(&run);
	run.errors = memfd_create("errors", MFD_CLOEXEC);
	if (run.errors == -1)
		return complain(&run, strerror(errno));
	ok = run_to_end(&run);
	close(run.errors);
	return ok;
}

static bool
keep(void *out, const char *bytes, size_t len)
{
	return fwrite(bytes, 1, len, out) == len;
}

bool
program_output(
    const struct program *program, char **output, char *error, size_t size)
{
	struct program kept = *program;
	size_t len;
	bool ok;

	/* It stays where `keep` cannot go on. */
	snprintf(error, size, "out of memory");
	*output = NULL;
	kept.arg = open_memstream(output, &len);
	if (kept.arg == NULL)
		return false;
	kept.take = keep;
	ok = program_run(&kept, error, size);
	return fclose(kept.arg) == 0 && ok;
}
