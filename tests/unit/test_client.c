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

#include "lib/clock.h"
#include "lib/smtp/client.h"

enum { SECONDS = 1 };

static struct smtp_client client;
static int server;

static int
setup(void **state)
{
	int pair[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1 ||
	    fcntl(pair[0], F_SETFL, O_NONBLOCK) == -1)
		return -1;
	memset(&client, 0, sizeof(client));
	client.host = "test";
	client.seconds = SECONDS;
	client.wire.fd = pair[0];
	server = pair[1];
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	client.lost = true;
	smtp_close(&client);
	close(server);
	return 0;
}

/* It gives up when its time is over, and not much later. */
static void
expect_given_up(void)
{
	int64_t start = clock_ms();

	assert_false(smtp_hear(&client));
	assert_int_equal(client.code, EX_UNAVAILABLE);
	assert_true(client.lost);
	assert_string_equal(client.why, "no answer in time");
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

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	for (int i = 0; i < 10000 && smtp_say(&client, "%s", line); i++)
		continue;
	assert_int_equal(client.code, EX_UNAVAILABLE);
	assert_string_equal(client.why, "no answer in time");
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
