/* SPDX-License-Identifier: ISC */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>

#include <libmilter/mfapi.h>

#include "filter.h"
#include "lib/notify.h"
#include "server.h"
#include "socket.h"

enum {
	/* More than Postfix has SMTP servers, and fewer than the threads that
	 * systemd allows: see the unit. */
	CONNECTIONS_MOST = 4096,
	SPARE_FILES = 32, /* databases, the log, libmilter's own */
	STACK_SIZE = 256 << 10,
	/* Of a message that comes for longer than that, Postfix finds the
	 * milter gone; a peer that is gone itself is heard of by the kernel. */
	SILENCE_SECONDS = 7200,
	/* A header field; Postfix has header_size_limit = 102400. */
	PACKET_MOST = 128 << 10,
	/* Five seconds at most. */
	PAUSE_MS = 10,
	PAUSES_MOST = 500,
};

static sigset_t signals;
static pthread_t main_thread;
static atomic_bool failed;

void
server_init(void)
{
	main_thread = pthread_self();
	/* For libmilter not to get it, it must not be blocked here. */
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

/* As many connections as we may have; that the limit stays as it is is no
 * fault. */
static unsigned
connections_most(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return CONNECTIONS_MOST;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (getrlimit(RLIMIT_NOFILE, &limit) == -1 ||
	    limit.rlim_cur >= CONNECTIONS_MOST + SPARE_FILES)
		return CONNECTIONS_MOST;
	return limit.rlim_cur > SPARE_FILES
	    ? (unsigned)limit.rlim_cur - SPARE_FILES
	    : 1;
}

/* libmilter takes the default for its threads. */
static void
limit_stacks(void)
{
	pthread_attr_t attr;

	if (pthread_attr_init(&attr) != 0)
		return;
	if (pthread_attr_setstacksize(&attr, STACK_SIZE) == 0)
		pthread_setattr_default_np(&attr);
	pthread_attr_destroy(&attr);
}

static void *
serve(void *arg)
{
	(void)arg;
	atomic_store(&failed, smfi_main() != MI_SUCCESS);
	pthread_kill(main_thread, SIGTERM);
	return NULL;
}

/* A signal that libmilter gets before it is at its work is a fault to it. */
static void
await_libmilter(const char *name)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000 };
	unsigned before = filter_closed();

	if (!socket_knock(name))
		return;
	for (int i = 0; i < PAUSES_MOST && filter_closed() == before; i++)
		nanosleep(&pause, NULL);
}

bool
server_start(const char *name)
{
	pthread_t thread;

	filter_limit(connections_most());
	limit_stacks();
	smfi_settimeout(SILENCE_SECONDS);
	smfi_setmaxdatasize(PACKET_MOST);
	if (pthread_create(&thread, NULL, serve, NULL) != 0)
		return false;
	pthread_detach(thread);
	await_libmilter(name);
	return true;
}

/* What was knocked the last time must have been seen. */
static void
beat(const char *name)
{
	static bool knocked;
	static unsigned last;
	unsigned closed = filter_closed();

	if (!knocked || closed != last)
		notify_alive();
	last = closed;
	knocked = socket_knock(name);
}

bool
server_run(const char *name, void (*reload)(void *arg), void *arg)
{
	int64_t every = notify_watchdog_ms();
	const struct timespec wait = {
		.tv_sec = (time_t)(every / 1000),
		.tv_nsec = (long)(every % 1000) * 1000000,
	};

	for (;;) {
		if (every != 0)
			beat(name);
		switch (
		    sigtimedwait(&signals, NULL, every == 0 ? NULL : &wait)) {
		case SIGUSR1:
			reload(arg);
			break;
		case SIGTERM:
		case SIGINT:
			return !atomic_load(&failed);
		default:
			break;
		}
	}
}
