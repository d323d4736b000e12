/* SPDX-License-Identifier: ISC */
#include <sys/eventfd.h>

#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>

#include "lib/clock.h"
#include "loop.h"

enum { SPENT_MS = 20 };

struct handler {
	struct handler *next;
	struct event *event;
	loop_call *call;
	void *arg;
};

struct loop {
	struct event_base *base;
	STAILQ_HEAD(, later) later;
	struct handler *handlers;
	unsigned holds;
	int64_t spent; /* ms of this turn, see loop_spend */
	bool stopping;
	bool finishing;
};

struct timer {
	struct event *event;
	loop_call *call;
	void *arg;
};

struct wakeup {
	struct event *event;
	int fd;
	loop_call *call;
	void *arg;
};

struct loop *
loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (loop == NULL)
		return NULL;
	loop->base = event_base_new();
	if (loop->base == NULL) {
		free(loop);
		return NULL;
	}
	STAILQ_INIT(&loop->later);
	return loop;
}

static void
end_turn(struct loop *loop)
{
	struct later *later;

	while ((later = STAILQ_FIRST(&loop->later)) != NULL) {
		STAILQ_REMOVE_HEAD(&loop->later, entry);
		later->call(later->arg);
	}
}

void
loop_free(struct loop **loop)
{
	struct handler *handler;

	if (*loop == NULL)
		return;
	end_turn(*loop);
	while ((handler = (*loop)->handlers) != NULL) {
		(*loop)->handlers = handler->next;
		event_free(handler->event);
		free(handler);
	}
	event_base_free((*loop)->base);
	free(*loop);
	*loop = NULL;
}

struct event_base *
loop_base(struct loop *loop)
{
	return loop->base;
}

int
loop_run(struct loop *loop)
{
	while (!loop->stopping && !(loop->finishing && loop->holds == 0)) {
		if (event_base_loop(loop->base, EVLOOP_ONCE) == -1)
			return -1;
		loop->spent = 0;
		end_turn(loop);
	}
	return 0;
}

void
loop_stop(struct loop *loop)
{
	loop->stopping = true;
	event_base_loopbreak(loop->base);
}

void
loop_finish(struct loop *loop)
{
	loop->finishing = true;
}

void
loop_hold(struct loop *loop)
{
	loop->holds++;
}

void
loop_release(struct loop *loop)
{
	loop->holds--;
}

void
loop_later(struct loop *loop, struct later *later, loop_call *call, void *arg)
{
	later->call = call;
	later->arg = arg;
	STAILQ_INSERT_TAIL(&loop->later, later, entry);
}

void
loop_spend(struct loop *loop, int64_t ms)
{
	loop->spent += ms;
}

bool
loop_is_spent(const struct loop *loop)
{
	return loop->spent >= SPENT_MS;
}

int64_t
loop_now_ms(void)
{
	return clock_ms();
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct timer *timer = arg;

	(void)fd;
	(void)what;
	timer->call(timer->arg);
}

struct timer *
timer_new(struct loop *loop, loop_call *call, void *arg)
{
	struct timer *timer = calloc(1, sizeof(*timer));

	if (timer == NULL)
		return NULL;
	timer->call = call;
	timer->arg = arg;
	timer->event = evtimer_new(loop->base, on_timer, timer);
	if (timer->event == NULL) {
		free(timer);
		return NULL;
	}
	return timer;
}

void
timer_set(struct timer *timer, int64_t ms)
{
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	evtimer_add(timer->event, &tv);
}

void
timer_stop(struct timer *timer)
{
	evtimer_del(timer->event);
}

void
timer_free(struct timer **timer)
{
	if (*timer == NULL)
		return;
	event_free((*timer)->event);
	free(*timer);
	*timer = NULL;
}

static void
on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct handler *handler = arg;

	(void)fd;
	(void)what;
	handler->call(handler->arg);
}

int
loop_on_signal(struct loop *loop, int signo, loop_call *call, void *arg)
{
	struct handler *handler = calloc(1, sizeof(*handler));

	if (handler == NULL)
		return -1;
	handler->call = call;
	handler->arg = arg;
	handler->event = evsignal_new(loop->base, signo, on_signal, handler);
	if (handler->event == NULL ||
	    evsignal_add(handler->event, NULL) == -1) {
		if (handler->event != NULL)
			event_free(handler->event);
		free(handler);
		return -1;
	}
	handler->next = loop->handlers;
	loop->handlers = handler;
	return 0;
}

static void
on_wakeup(evutil_socket_t fd, short what, void *arg)
{
	struct wakeup *wakeup = arg;
	uint64_t rings;

	(void)what;
	if (read(fd, &rings, sizeof(rings)) == (ssize_t)sizeof(rings))
		wakeup->call(wakeup->arg);
}

struct wakeup *
wakeup_new(struct loop *loop, loop_call *call, void *arg)
{
	struct wakeup *wakeup = calloc(1, sizeof(*wakeup));

	if (wakeup == NULL)
		return NULL;
	wakeup->call = call;
	wakeup->arg = arg;
	wakeup->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (wakeup->fd != -1)
		wakeup->event = event_new(loop->base, wakeup->fd,
		    EV_READ | EV_PERSIST, on_wakeup, wakeup);
	if (wakeup->event == NULL || event_add(wakeup->event, NULL) == -1)
		wakeup_free(&wakeup);
	return wakeup;
}

void
wakeup_ring(struct wakeup *wakeup)
{
	uint64_t one = 1;

	/* It can only fail when the counter is full: the bell rings already. */
	if (write(wakeup->fd, &one, sizeof(one)) == -1)
		return;
}

void
wakeup_free(struct wakeup **wakeup)
{
	if (*wakeup == NULL)
		return;
	if ((*wakeup)->event != NULL)
		event_free((*wakeup)->event);
	if ((*wakeup)->fd != -1)
		close((*wakeup)->fd);
	free(*wakeup);
	*wakeup = NULL;
}
