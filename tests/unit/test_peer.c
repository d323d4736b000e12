/* SPDX-License-Identifier: ISC */
/* A server that is slow: each reply as a whole has its time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdbool.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "etrn-trigger/remote/peer.h"
#include "lib/clock.h"

enum { SECONDS = 1 };

static struct peer peer;
static int server;

static int
setup(void **state)
{
	int pair[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1 ||
	    fcntl(pair[0], F_SETFL, O_NONBLOCK) == -1)
		return -1;
	memset(&peer, 0, sizeof(peer));
	peer.host = "test";
	peer.seconds = SECONDS;
	peer.wire.fd = pair[0];
	server = pair[1];
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	peer.lost = true;
	peer_close(&peer);
	close(server);
	return 0;
}

/* It gives up when its time is over, and not much later. */
static void
expect_given_up(void)
{
	int64_t start = clock_ms();
	struct reply reply;

	assert_int_equal(peer_hear(&peer, &reply, NULL, NULL), EX_UNAVAILABLE);
	assert_true(peer.lost);
	assert_string_equal(peer.wire.fault, "no answer in time");
	assert_in_range(
	    clock_ms() - start, SECONDS * 1000, SECONDS * 1000 + 5000);
}

static void
silence_has_an_end(void **state)
{
	(void)state;
	expect_given_up();
}

static void *
trickle(void *arg)
{
	struct timespec pause = { .tv_nsec = 50 * 1000 * 1000 };

	(void)arg;
	while (send(server, "250-x\r\n", 7, MSG_NOSIGNAL) == 7)
		nanosleep(&pause, NULL);
	return NULL;
}

static void
a_reply_that_trickles_has_the_same_end(void **state)
{
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, trickle, NULL), 0);
	expect_given_up();
	shutdown(server, SHUT_RDWR);
	pthread_join(thread, NULL);
}

static void
a_server_that_does_not_read_has_an_end(void **state)
{
	char line[4096];
	int code = EX_OK;

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	for (int i = 0; i < 10000 && code == EX_OK; i++)
		code = peer_say(&peer, "%s", line);
	assert_int_equal(code, EX_UNAVAILABLE);
	assert_string_equal(peer.wire.fault, "no answer in time");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    silence_has_an_end, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_reply_that_trickles_has_the_same_end, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_server_that_does_not_read_has_an_end, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
