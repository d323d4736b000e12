/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "complaint.h"
#include "connection.h"
#include "server.h"
#include "writer.h"

enum { EVENTS = 64 };

static int poll_fd = -1, listen_fd = -1, signal_fd = -1, written_fd = -1;
/* Given up to be able to take, and close, a connection without a descriptor. */
static int spare_fd = -1;
static struct connections all = TAILQ_HEAD_INITIALIZER(all);
static struct connections waiting = TAILQ_HEAD_INITIALIZER(waiting);
/* An event for it may still be among those of this turn. */
static struct connections buried = TAILQ_HEAD_INITIALIZER(buried);
static bool late; /* a message waited in vain */
static bool stopping;

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool
watch(int fd, void *what)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = what };

	return epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* As many connections as we may have; that it stays as it is is no fault. */
static void
raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int
server_init(int listener)
{
	sigset_t signals;

	raise_limit();
	listen_fd = listener;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	poll_fd = epoll_create1(EPOLL_CLOEXEC);
	signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	written_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (poll_fd == -1 || signal_fd == -1 || written_fd == -1 ||
	    !watch(listen_fd, &listen_fd) || !watch(signal_fd, &signal_fd) ||
	    !watch(written_fd, &written_fd))
		return -1;
	return written_fd;
}

/* ---- connections --------------------------------------------------------- */

static void
bury(struct connection *connection)
{
	if (connection->answer.after != 0)
		TAILQ_REMOVE(&waiting, connection, waiting);
	epoll_ctl(poll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
	connection->dead = true;
	TAILQ_REMOVE(&all, connection, entry);
	TAILQ_INSERT_TAIL(&buried, connection, entry);
}

static void
free_connections(struct connections *list)
{
	struct connection *connection;

	while ((connection = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, connection, entry);
		connection_free(connection);
	}
}

/* All packets that are there, the answers to some of which may have to wait. */
static void
work(struct connection *connection)
{
	while (connection->answer.after == 0) {
		if (!connection_work(connection)) {
			bury(connection);
			return;
		}
		if (connection->answer.after == 0)
			return;
		if (!late) {
			connection->deadline = now_ms() + SERVER_WAIT_MS;
			TAILQ_INSERT_TAIL(&waiting, connection, waiting);
		} else if (!connection_answer(connection)) {
			bury(connection);
			return;
		}
	}
}

static void
release(struct connection *connection)
{
	TAILQ_REMOVE(&waiting, connection, waiting);
	if (connection_answer(connection))
		work(connection);
	else
		bury(connection);
}

/* Those who wait do so in the order of the notes. */
static void
release_written(void)
{
	struct connection *connection;
	eventfd_t unused;
	uint64_t written;
	bool quick;

	eventfd_read(written_fd, &unused);
	written = writer_written(&quick);
	if (quick)
		late = false;
	while ((connection = TAILQ_FIRST(&waiting)) != NULL &&
	    connection->answer.after <= written)
		release(connection);
}

static void
release_overdue(void)
{
	struct connection *connection = TAILQ_FIRST(&waiting);

	if (connection == NULL || now_ms() < connection->deadline)
		return;
	late = true;
	while ((connection = TAILQ_FIRST(&waiting)) != NULL)
		release(connection);
}

static void
receive(struct connection *connection)
{
	if (connection->dead)
		return;
	if (connection_read(connection))
		work(connection);
	else
		bury(connection);
}

/* Who is sent away here passes its mail untagged, and at once; who is left to
 * wait would wait for a time-out. */
static void
send_away(void)
{
	int fd;

	close(spare_fd);
	fd = accept(listen_fd, NULL, NULL);
	if (fd != -1)
		close(fd);
	spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	complaint_missed(NULL, "too many connections: no file descriptor");
}

static void
accept_one(void)
{
	struct connection *connection;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd == -1) {
		if (errno == EMFILE || errno == ENFILE)
			send_away();
		return;
	}
	connection = connection_new(fd);
	if (connection == NULL)
		return;
	TAILQ_INSERT_TAIL(&all, connection, entry);
	if (!watch(fd, connection))
		bury(connection);
}

/* ---- the loop ------------------------------------------------------------ */

static void
take_signal(void (*reload)(void *arg), void *arg)
{
	struct signalfd_siginfo info;

	if (read(signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP)
		reload(arg);
	else
		stopping = true;
}

static int
poll_timeout(void)
{
	const struct connection *first = TAILQ_FIRST(&waiting);
	int64_t left;

	if (first == NULL)
		return -1;
	left = first->deadline - now_ms();
	return left > 0 ? (int)left : 0;
}

bool
server_run(void (*reload)(void *arg), void *arg)
{
	struct epoll_event events[EVENTS];
	int count;

	while (!stopping) {
		count = epoll_wait(poll_fd, events, EVENTS, poll_timeout());
		if (count == -1 && errno != EINTR)
			return false;
		for (int i = 0; i < count; i++) {
			void *what = events[i].data.ptr;

			if (what == &listen_fd)
				accept_one();
			else if (what == &signal_fd)
				take_signal(reload, arg);
			else if (what == &written_fd)
				release_written();
			else
				receive(what);
		}
		release_overdue();
		free_connections(&buried);
	}
	return true;
}

void
server_end(void)
{
	free_connections(&all);
	close(listen_fd);
	close(spare_fd);
	close(signal_fd);
	close(poll_fd);
}
