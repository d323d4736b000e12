/* SPDX-License-Identifier: ISC */
/*
 * When is a session done? When nothing is in flight and the tags show no held
 * message of its domains that it has not attempted. Postfix is asked to deliver
 * (postqueue -s) at the start, for the domains that have tags, then, unless the
 * tags are confirmed, for the others. If tags remain while nothing comes, once
 * that has run, the queue is looked at. What is active or incoming is waited
 * for, for minutes; else Postfix is asked once more, also by queue id, and if
 * that brings nothing either, the session ends all the same.
 */
#ifndef DRAIN_H
#define DRAIN_H

#include <stdbool.h>
#include <stdint.h>

struct customer;
struct flush_line;
struct question;
struct strays;
struct timer;

/* Nothing is left, or nothing that Postfix would bring, or the session was told
 * to end and nothing is in flight. */
typedef void drain_over(struct customer *customer, const char *reason);

/* What is true while no message is in flight. */
enum drain_state {
	DRAIN_NEW,      /* Postfix was not asked for anything yet */
	DRAIN_FLOWING,  /* mail came a moment ago: more may, or the tags tell */
	DRAIN_FLUSHING, /* Postfix is being asked; then its time begins */
	DRAIN_WAITING,  /* it has so long to send something */
};

struct drain {
	enum drain_state state;
	drain_over *over;
	struct timer *timer;
	struct flush_line *line;
	struct question *question; /* asked, not answered yet */
	struct strays *strays;     /* looked for, not found yet */
	int64_t until_ms;          /* Postfix is waited for; 0: not yet */
	int64_t pause_ms;          /* before the next look */
	int looks;   /* that found mail on its way, since a message left */
	bool told;   /* the log knows that it is waited for */
	bool more;   /* what has tags is to be flushed again */
	bool stale;  /* a message was answered since the question was asked */
	bool again;  /* flushed once more since a message left the queue */
	bool silent; /* the question is asked as Postfix brings nothing */
};

/* `over` is called, from the loop, when the session is done, and while it
 * lingers perhaps again. False: out of memory. */
bool drain_init(
    struct drain *drain, struct customer *customer, drain_over *over);
void drain_free(struct drain *drain);

/* The customer is ready for mail. */
void drain_begin(struct customer *customer);
/* There is room for more of what Postfix has put off. */
void drain_more(struct customer *customer);
/* A message has left the queue for good. */
void drain_progress(struct customer *customer);
/* Mail may have come since the tags were asked. */
void drain_doubt(struct customer *customer);
/* No message is in flight any more, or the session is told to end: is it done?
 */
void drain_check(struct customer *customer);
/* The session lingers: is there mail all the same? Then Postfix is asked. */
void drain_look(struct customer *customer);
/* Postfix is asked for nothing more. */
void drain_stop(struct drain *drain);

#endif
