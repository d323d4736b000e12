/* SPDX-License-Identifier: ISC */
/*
 * A line with a round-trip time and no other limit: each byte leaves half of
 * it after it came.
 *
 *	delay MILLISECONDS PORT
 *
 * Standard input is a TCP socket that listens; PORT, on 127.0.0.1, is the other
 * end of the line. It is connected one and a half round
 * trips after a client was accepted, when the last packet of TCP's handshake
 * would have reached it. Nobody is slowed by a full buffer: all that is on its
 * way is kept in memory.
 */
#include <sys/queue.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { LINES_MAX = 128, READ_MAX = 128 * 1024 };

#define NEVER  INT64_MAX
#define SECOND INT64_C(1000000000)

struct chunk {
	STAILQ_ENTRY(chunk) entry;
	int64_t due;
	size_t len, sent;
	char bytes[];
};

struct way {
	STAILQ_HEAD(, chunk) chunks;
	bool ended; /* a chunk of no bytes is the end, which travels as well */
	bool shut;
	bool blocked; /* the receiver is slow */
};

/* ways[i] leads from fds[i] to fds[!i]; the client is 0. */
struct line {
	int fds[2]; /* fds[0] of -1: unused; fds[1] of -1: not connected yet */
	int64_t connect_at;
	struct way ways[2];
};

static struct line lines[LINES_MAX];
static int64_t half;
static uint16_t port;

static int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * SECOND + ts.tv_nsec;
}

static void
no_delay(int fd)
{
	int on = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == -1)
		err(EX_OSERR, "TCP_NODELAY");
}

static void
accept_client(void)
{
	int fd = accept4(STDIN_FILENO, NULL, NULL, SOCK_NONBLOCK);
	struct line *line = lines;

	if (fd == -1)
		return;
	while (line < lines + LINES_MAX && line->fds[0] != -1)
		line++;
	if (line == lines + LINES_MAX)
		errx(EX_SOFTWARE, "more than %d connections", LINES_MAX);
	no_delay(fd);
	*line = (struct line) { .fds = { fd, -1 },
		.connect_at = now_ns() + 3 * half };
	STAILQ_INIT(&line->ways[0].chunks);
	STAILQ_INIT(&line->ways[1].chunks);
}

static void
hang_up(struct line *line)
{
	struct chunk *chunk;

	for (int i = 0; i < 2; i++) {
		while ((chunk = STAILQ_FIRST(&line->ways[i].chunks)) != NULL) {
			STAILQ_REMOVE_HEAD(&line->ways[i].chunks, entry);
			free(chunk);
		}
		if (line->fds[i] != -1)
			close(line->fds[i]);
		line->fds[i] = -1;
	}
}

static void
connect_line(struct line *line)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd == -1)
		err(EX_OSERR, "socket");
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == -1) {
		close(fd);
		hang_up(line);
		return;
	}
	no_delay(fd);
	line->fds[1] = fd;
}

/* Takes what fds[i] has; returns false when the line is broken. */
static bool
take(struct line *line, int i)
{
	static char bytes[READ_MAX];
	ssize_t n = recv(line->fds[i], bytes, sizeof(bytes), MSG_DONTWAIT);
	struct chunk *chunk;

	if (n == -1)
		return errno == EAGAIN;
	chunk = malloc(sizeof(*chunk) + (size_t)n);
	if (chunk == NULL)
		err(EX_OSERR, "malloc");
	chunk->due = now_ns() + half;
	chunk->len = (size_t)n;
	chunk->sent = 0;
	memcpy(chunk->bytes, bytes, (size_t)n);
	STAILQ_INSERT_TAIL(&line->ways[i].chunks, chunk, entry);
	line->ways[i].ended = n == 0;
	return true;
}

/* Sends what is due from fds[i]; returns false when the line is broken. */
static bool
give(struct line *line, int i, int64_t now)
{
	struct way *way = &line->ways[i];
	struct chunk *chunk;
	ssize_t n;

	way->blocked = false;
	while (
	    (chunk = STAILQ_FIRST(&way->chunks)) != NULL && chunk->due <= now) {
		if (chunk->len == 0) {
			shutdown(line->fds[!i], SHUT_WR);
			way->shut = true;
		} else {
			n = send(line->fds[!i], chunk->bytes + chunk->sent,
			    chunk->len - chunk->sent,
			    MSG_NOSIGNAL | MSG_DONTWAIT);
			way->blocked = n == -1 && errno == EAGAIN;
			if (n == -1)
				return way->blocked;
			chunk->sent += (size_t)n;
			if (chunk->sent < chunk->len)
				continue;
		}
		STAILQ_REMOVE_HEAD(&way->chunks, entry);
		free(chunk);
	}
	return true;
}

/* What the time has made due; returns when it will be next. */
static int64_t
run_line(struct line *line, int64_t now)
{
	int64_t next = NEVER;
	struct chunk *chunk;

	if (line->fds[0] == -1)
		return NEVER;
	if (line->fds[1] == -1) {
		if (line->connect_at > now)
			return line->connect_at;
		connect_line(line);
		if (line->fds[1] == -1)
			return NEVER;
	}
	for (int i = 0; i < 2; i++) {
		if (!give(line, i, now)) {
			hang_up(line);
			return NEVER;
		}
		chunk = STAILQ_FIRST(&line->ways[i].chunks);
		if (chunk != NULL && !line->ways[i].blocked &&
		    chunk->due < next)
			next = chunk->due;
	}
	if (line->ways[0].shut && line->ways[1].shut)
		hang_up(line);
	return next;
}

static void
wait_for_events(int64_t until)
{
	struct pollfd polls[1 + 2 * LINES_MAX] = { { STDIN_FILENO, POLLIN,
	    0 } };
	struct line *owners[1 + 2 * LINES_MAX];
	int64_t left = until == NEVER ? SECOND : until - now_ns();
	struct timespec ts = { 0 };
	nfds_t n = 1;
	int side;

	for (struct line *line = lines; line < lines + LINES_MAX; line++)
		for (int i = 0; i < 2 && line->fds[0] != -1; i++) {
			owners[n] = line;
			polls[n++] = (struct pollfd) { line->fds[i],
				(short)((line->ways[i].ended ? 0 : POLLIN) |
				    (line->ways[!i].blocked ? POLLOUT : 0)),
				0 };
		}
	if (left > 0)
		ts = (struct timespec) { left / SECOND, left % SECOND };
	if (ppoll(polls, n, &ts, NULL) == -1)
		err(EX_OSERR, "ppoll");
	for (nfds_t k = 1; k < n; k++) {
		side = polls[k].fd == owners[k]->fds[1];
		if (polls[k].fd >= 0 && polls[k].revents & (POLLIN | POLLHUP) &&
		    owners[k]->fds[side] == polls[k].fd &&
		    !owners[k]->ways[side].ended && !take(owners[k], side))
			hang_up(owners[k]);
	}
	if (polls[0].revents & POLLIN)
		accept_client();
}

int
main(int argc, char **argv)
{
	int64_t now, due, next;

	if (argc != 3)
		errx(EX_USAGE, "usage: delay MILLISECONDS PORT <socket");
	half = atoll(argv[1]) * (SECOND / 1000) / 2;
	port = (uint16_t)atoi(argv[2]);
	for (int i = 0; i < LINES_MAX; i++)
		lines[i].fds[0] = -1;
	for (;;) {
		next = NEVER;
		now = now_ns();
		for (int i = 0; i < LINES_MAX; i++) {
			due = run_line(&lines[i], now);
			if (due < next)
				next = due;
		}
		wait_for_events(next);
	}
}
