/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "complaint.h"
#include "connection.h"
#include "lib/log.h"
#include "lib/notify.h"
#include "server.h"
#include "writer.h"

enum { EVENTS = 64, REST_MS = 200 };

static int poll_fd = -1, listen_fd = -1, signal_fd = -1;
/* Given up to be able to take, and close, a connection without a descriptor. */
static int spare_fd = -1;
static struct connections all = LIST_HEAD_INITIALIZER(all);
static bool stopping;
static int64_t resting_until; /* no connection is taken; 0: one may be */
static bool exhausted;        /* and the log has it */

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

bool
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
	spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return poll_fd != -1 && signal_fd != -1 &&
	    watch(listen_fd, &listen_fd) && watch(signal_fd, &signal_fd);
}

/* ---- connections --------------------------------------------------------- */

static void
end_connection(struct connection *connection)
{
	LIST_REMOVE(connection, entry);
	connection_free(connection);
}

/* It has no more than one event in a turn, and no other connection ends it: so
 * it may end here. */
static void
receive(struct connection *connection)
{
	if (!connection_receive(connection))
		end_connection(connection);
}

/* Who is sent away here passes its mail untagged, and at once; who is left to
 * wait would wait for a time-out. False: there was no descriptor even for that.
 */
static bool
send_away(void)
{
	int fd;

	close(spare_fd);
	fd = accept(listen_fd, NULL, NULL);
	if (fd != -1)
		close(fd);
	spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd != -1) {
		complaint_missed(
		    NULL, "too many connections: no file descriptor");
		writer_missed();
	}
	return fd != -1;
}

/* The connection that cannot be taken stays in the queue, which is left alone
 * for a moment rather than spun on. */
static void
rest(const char *why)
{
	if (!exhausted)
		log_warning(NULL, "connections wait: %s", why);
	exhausted = true;
	epoll_ctl(poll_fd, EPOLL_CTL_DEL, listen_fd, NULL);
	resting_until = clock_ms() + REST_MS;
}

static void
take_fault(int fault)
{
	switch (fault) {
	case EMFILE:
	case ENFILE:
		if (!send_away())
			rest(strerror(fault));
		break;
	case ENOBUFS:
	case ENOMEM:
		rest(strerror(fault));
		break;
	default:
		break; /* that of a connection which is gone already */
	}
}

static void
accept_one(void)
{
	struct connection *connection;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd == -1) {
		take_fault(errno);
		return;
	}
	exhausted = false;
	connection = connection_new(fd);
	if (connection == NULL)
		return;
	LIST_INSERT_HEAD(&all, connection, entry);
	if (!watch(fd, connection))
		end_connection(connection);
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

/* Takes connections again when the rest is over. The time to look again, -1
 * where there is no rest. */
static int
end_rest(void)
{
	if (resting_until != 0 && clock_ms() >= resting_until &&
	    watch(listen_fd, &listen_fd))
		resting_until = 0;
	return resting_until != 0 ? REST_MS : -1;
}

/* Tells the service manager's watchdog that this loop turns. The time to do so
 * again, -1 where nobody wants to know. */
static int
beat(int64_t every)
{
	static int64_t next;
	int64_t now = clock_ms();

	if (every == 0)
		return -1;
	if (now >= next) {
		notify_alive();
		next = now + every;
	}
	return (int)(next - now);
}

static int
sooner(int a, int b)
{
	return a == -1 || (b != -1 && b < a) ? b : a;
}

bool
server_run(void (*reload)(void *arg), void *arg)
{
	struct epoll_event events[EVENTS];
	int64_t every = notify_watchdog_ms();
	int count;

	while (!stopping) {
		count = epoll_wait(
		    poll_fd, events, EVENTS, sooner(end_rest(), beat(every)));
		if (count == -1 && errno != EINTR)
			return false;
		for (int i = 0; i < count; i++) {
			void *what = events[i].data.ptr;

			if (what == &listen_fd)
				accept_one();
			else if (what == &signal_fd)
				take_signal(reload, arg);
			else
				receive(what);
		}
	}
	return true;
}

void
server_end(void)
{
	struct connection *connection;

	while ((connection = LIST_FIRST(&all)) != NULL)
		end_connection(connection);
	close(listen_fd);
	close(spare_fd);
	close(signal_fd);
	close(poll_fd);
}
