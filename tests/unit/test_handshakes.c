/* SPDX-License-Identifier: ISC */
/*
 * However many handshakes are due, a turn of the loop does no more of them than
 * take 20 ms. The clock is the test's: each time it is looked at, half of that
 * has passed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "odmrd/net/link.h"

enum { HANDSHAKES = 20, A_TURN = 2, TICK_MS = 10 };

int64_t
clock_ms(void)
{
	static int64_t now;

	return now += TICK_MS;
}

struct line {
	struct link *link;
	int fd; /* the other end */
};

struct trial {
	struct loop *loop;
	struct line lines[HANDSHAKES];
	struct line other;
	int begun;
	int turns;
};

static void
nothing(void *owner)
{
	(void)owner;
}

static void
ended(void *owner, const char *why)
{
	(void)owner;
	fail_msg("%s", why);
}

static int
count_hellos(const struct trial *trial)
{
	struct pollfd hello = { .events = POLLIN };
	int i, count = 0;

	for (i = 0; i < HANDSHAKES; i++) {
		hello.fd = trial->lines[i].fd;
		count += poll(&hello, 1, 0);
	}
	return count;
}

/* Once a turn, for there is always something to read. */
static void
on_turn(void *owner)
{
	struct trial *trial = owner;
	const char *bytes;
	int begun = count_hellos(trial);

	link_consume(trial->other.link, link_peek(trial->other.link, &bytes));
	assert_int_equal(write(trial->other.fd, "x", 1), 1);
	assert_in_range(begun - trial->begun, 0, A_TURN);
	trial->begun = begun;
	trial->turns++;
	if (begun == HANDSHAKES)
		loop_stop(trial->loop);
}

static void
open_line(struct trial *trial, struct line *line, const struct link_role *role)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	line->link = link_new(trial->loop, ends[0], role, trial);
	line->fd = ends[1];
}

static void
close_line(struct line *line)
{
	link_abort(&line->link);
	close(line->fd);
}

static void
handshakes_leave_others_their_turn(void **state)
{
	static const struct link_role role = {
		.input = nothing, .secured = nothing, .ended = ended
	};
	static const struct link_role other = { .input = on_turn,
		.ended = ended };
	struct trial trial = { .loop = loop_new() };
	struct tls *tls = tls_new_client();
	int i;

	(void)state;
	open_line(&trial, &trial.other, &other);
	assert_int_equal(write(trial.other.fd, "x", 1), 1);
	for (i = 0; i < HANDSHAKES; i++) {
		open_line(&trial, &trial.lines[i], &role);
		assert_true(
		    link_start_tls(trial.lines[i].link, tls, TLS_CLIENT));
	}
	trial.begun = count_hellos(&trial);
	assert_in_range(trial.begun, 0, A_TURN);
	alarm(30);
	assert_int_equal(loop_run(trial.loop), 0);
	assert_in_range(
	    trial.turns, HANDSHAKES / A_TURN - 1, HANDSHAKES * A_TURN);
	for (i = 0; i < HANDSHAKES; i++)
		close_line(&trial.lines[i]);
	close_line(&trial.other);
	loop_free(&trial.loop);
	tls_free(&tls);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshakes_leave_others_their_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
