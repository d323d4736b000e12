/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "odmrd/delivery/memory_queue.h"

enum { ENOUGH = 10 };

static struct loop *loop;
static struct memory_queue *queue;
static struct memory_place first, second, last;
static int resumed;

static int
set_up(void **state)
{
	(void)state;
	loop = loop_new();
	queue = memory_queue_new(loop);
	assert_non_null(queue);
	resumed = 0;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	memory_queue_free(&queue);
	loop_free(&loop);
	return 0;
}

static void
count(void)
{
	/* The loop that shares out would not end by itself. */
	assert_true(++resumed < ENOUGH);
}

static void
stay_hungry(void *place)
{
	count();
	memory_queue_join(queue, place);
}

static void
take_the_last_away(void *unused)
{
	(void)unused;
	count();
	memory_queue_leave(queue, &last);
}

static void
stop(void *unused)
{
	(void)unused;
	loop_stop(loop);
}

static void
share_out(loop_call *of_the_first)
{
	struct timer *timer = timer_new(loop, stop, NULL);

	first = (struct memory_place) { .resume = of_the_first, .arg = &first };
	second =
	    (struct memory_place) { .resume = stay_hungry, .arg = &second };
	last = (struct memory_place) { .resume = stay_hungry, .arg = &last };
	memory_queue_join(queue, &first);
	memory_queue_join(queue, &second);
	memory_queue_join(queue, &last);
	memory_queue_share(queue);
	timer_set(timer, 50);
	loop_run(loop);
	timer_free(&timer);
}

static void
who_gets_nothing_tries_once_and_waits_again(void **state)
{
	(void)state;
	share_out(stay_hungry);
	assert_int_equal(resumed, 3);
	assert_true(first.waits && second.waits && last.waits);
}

static void
it_ends_where_the_last_leaves_meanwhile(void **state)
{
	(void)state;
	share_out(take_the_last_away);
	assert_true(second.waits && !last.waits);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    who_gets_nothing_tries_once_and_waits_again, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(
		    it_ends_where_the_last_leaves_meanwhile, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
