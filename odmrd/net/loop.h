/* SPDX-License-Identifier: ISC */
/*
 * The event loop: timers, signals, wake-ups from other threads, and burial.
 * With link, wire and listener the only code that knows libevent.
 *
 * Law: nothing is freed within a callback. An object that ends is unlinked
 * from its owners at once and handed to loop_bury(); its memory goes when the
 * current turn of the loop is over, so every caller up the stack may still
 * look at it.
 */
#ifndef LOOP_H
#define LOOP_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct loop;
struct timer;
struct wakeup;

typedef void loop_call(void *arg);

/* A call that is due. It lies in what the call is about, so that asking for it
 * cannot fail; it is free again when the call begins. */
struct later {
	STAILQ_ENTRY(later) entry;
	loop_call *call;
	void *arg;
};

/* NULL when out of memory. */
struct loop *loop_new(void);
void loop_free(struct loop **loop);
/* For link and listener. */
struct event_base *loop_base(struct loop *loop);

/* Returns when loop_stop() was called, or loop_finish() and nobody holds the
 * loop any more; 0, or -1 if the loop broke. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
void loop_finish(struct loop *loop);

/* A link that is still to send its last words holds the loop. */
void loop_hold(struct loop *loop);
void loop_release(struct loop *loop);

/* Calls call(arg) at the end of this turn; in the order in which they were
 * asked for. What an event is made active for there comes in the next turn,
 * when the others had theirs. */
void loop_later(
    struct loop *loop, struct later *later, loop_call *call, void *arg);

/* For work that one peer after the other may want: how long it took, and has
 * this turn of the loop had enough of it? Then it is for loop_later. */
void loop_spend(struct loop *loop, int64_t ms);
bool loop_is_spent(const struct loop *loop);

static inline void
loop_bury(struct loop *loop, struct later *grave, loop_call *bury, void *dead)
{
	loop_later(loop, grave, bury, dead);
}

/* Monotonic. */
int64_t loop_now_ms(void);

/* A timer starts stopped; setting it again moves it. NULL: out of memory. */
struct timer *timer_new(struct loop *loop, loop_call *call, void *arg);
void timer_set(struct timer *timer, int64_t ms);
void timer_stop(struct timer *timer);
void timer_free(struct timer **timer);

/* 0, or -1 if the handler could not be installed. */
int loop_on_signal(struct loop *loop, int signo, loop_call *call, void *arg);

/* wakeup_ring may be called from any thread; `call` runs in the loop, once
 * for any number of rings. */
struct wakeup *wakeup_new(struct loop *loop, loop_call *call, void *arg);
void wakeup_ring(struct wakeup *wakeup);
void wakeup_free(struct wakeup **wakeup);

#endif
