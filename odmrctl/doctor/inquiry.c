/* SPDX-License-Identifier: ISC */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "inquiry.h"
#include "lib/postfix/program.h"

enum { OUT, SAID, PIPES };

struct child {
	pid_t pid;
	struct pollfd pipes[PIPES]; /* fd -1: at its end */
	int64_t deadline_ms;
	char said[INQUIRY_ERROR_SIZE / 2];
	size_t said_len;
};

static int
start(const struct inquiry *inquiry, struct child *child)
{
	int out[2], said[2], error;

	if (pipe2(out, O_CLOEXEC) == -1)
		return errno;
	if (pipe2(said, O_CLOEXEC) == -1) {
		error = errno;
		close(out[0]);
		close(out[1]);
		return error;
	}
	error = program_start(
	    inquiry->argv, inquiry->input, out[1], said[1], &child->pid);
	close(out[1]);
	close(said[1]);
	if (error != 0) {
		close(out[0]);
		close(said[0]);
		return error;
	}
	child->pipes[OUT] = (struct pollfd) { out[0], POLLIN, 0 };
	child->pipes[SAID] = (struct pollfd) { said[0], POLLIN, 0 };
	child->deadline_ms = clock_ms() + (int64_t)inquiry->seconds * 1000;
	return 0;
}

/* Of what it complains about, the end tells most. */
static void
hear(struct child *child, const char *bytes, size_t len)
{
	size_t room = sizeof(child->said) - 1;

	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '\n' && i + 1 < len)
			child->said_len = 0;
		else if (bytes[i] != '\n' && child->said_len < room)
			child->said[child->said_len++] = bytes[i];
	}
	child->said[child->said_len] = '\0';
}

static void
read_pipe(const struct inquiry *inquiry, struct child *child, int which)
{
	struct pollfd *pipe = &child->pipes[which];
	char bytes[16384];
	ssize_t n = read(pipe->fd, bytes, sizeof(bytes));

	if (n > 0 && which == OUT)
		inquiry->output(inquiry->arg, bytes, (size_t)n);
	else if (n > 0)
		hear(child, bytes, (size_t)n);
	else if (n == 0 || errno != EINTR) {
		close(pipe->fd);
		pipe->fd = -1;
	}
}

/* Reads until both ends are reached. False: it took too long. */
static bool
listen_to(const struct inquiry *inquiry, struct child *child)
{
	int64_t left;

	while (child->pipes[OUT].fd != -1 || child->pipes[SAID].fd != -1) {
		left = child->deadline_ms - clock_ms();
		if (left <= 0)
			return false;
		if (poll(child->pipes, PIPES, (int)left) <= 0)
			continue;
		for (int i = 0; i < PIPES; i++)
			if (child->pipes[i].fd != -1 &&
			    child->pipes[i].revents != 0)
				read_pipe(inquiry, child, i);
	}
	return true;
}

static void
close_pipes(struct child *child)
{
	for (int i = 0; i < PIPES; i++)
		if (child->pipes[i].fd != -1)
			close(child->pipes[i].fd);
}

bool
inquiry_run(
    const struct inquiry *inquiry, int also, char error[INQUIRY_ERROR_SIZE])
{
	const char *name = inquiry->argv[0];
	struct child child = { 0 };
	bool in_time;
	int status, fault = start(inquiry, &child);

	if (fault != 0) {
		snprintf(error, INQUIRY_ERROR_SIZE, "%.128s: %s", name,
		    strerror(fault));
		return false;
	}
	in_time = listen_to(inquiry, &child);
	if (!in_time)
		kill(child.pid, SIGKILL);
	close_pipes(&child);
	while (waitpid(child.pid, &status, 0) == -1 && errno == EINTR)
		;
	if (in_time && WIFEXITED(status) &&
	    (WEXITSTATUS(status) == 0 ||
		(WEXITSTATUS(status) == also && child.said_len == 0))) {
		snprintf(error, INQUIRY_ERROR_SIZE, "%s", child.said);
		return true;
	}
	if (!in_time)
		snprintf(error, INQUIRY_ERROR_SIZE,
		    "%.128s: no end after %d seconds", name, inquiry->seconds);
	else if (child.said_len > 0)
		snprintf(error, INQUIRY_ERROR_SIZE, "%s", child.said);
	else
		snprintf(error, INQUIRY_ERROR_SIZE, "%.128s: failed", name);
	return false;
}
