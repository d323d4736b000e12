/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "odmrd/net/listener.h"

enum { COMERS = 100, ACCEPTED_MAX = 32 };

struct door {
	struct loop *loop;
	struct listener *listener;
	char dir[sizeof("/tmp/odmr-XXXXXX")];
	char path[64];
	int accepted;
};

static int
set_up(void **state)
{
	struct door *door = calloc(1, sizeof(*door));

	strcpy(door->dir, "/tmp/odmr-XXXXXX");
	assert_non_null(mkdtemp(door->dir));
	strcat(strcpy(door->path, door->dir), "/socket");
	door->loop = loop_new();
	*state = door;
	return 0;
}

static int
tear_down(void **state)
{
	struct door *door = *state;

	listener_free(&door->listener);
	loop_free(&door->loop);
	rmdir(door->dir);
	free(door);
	return 0;
}

static void
open_door(struct door *door, listener_accept *accepted)
{
	door->listener = listener_unix(door->loop, door->path, accepted, door);
	assert_non_null(door->listener);
}

static void
come(const struct door *door, int fds[], size_t count)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	strcpy(addr.sun_path, door->path);
	for (size_t i = 0; i < count; i++) {
		fds[i] = socket(AF_UNIX, SOCK_STREAM, 0);
		assert_int_equal(
		    connect(fds[i], (struct sockaddr *)&addr, sizeof(addr)), 0);
	}
}

/* The turn that has begun is the last. */
static void
count_one(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
{
	struct door *door = arg;

	(void)peer;
	(void)len;
	close(fd);
	door->accepted++;
	loop_stop(door->loop);
}

static void
flood_of_connections_is_not_taken_in_one_turn(void **state)
{
	struct door *door = *state;
	int fds[COMERS];

	open_door(door, count_one);
	come(door, fds, COMERS);
	assert_int_equal(loop_run(door->loop), 0);
	assert_true(door->accepted > 0 && door->accepted <= ACCEPTED_MAX);
	for (size_t i = 0; i < COMERS; i++)
		close(fds[i]);
}

static void
close_door(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
{
	struct door *door = arg;

	count_one(fd, peer, len, arg);
	listener_free(&door->listener);
}

static void
listener_may_be_freed_while_it_accepts(void **state)
{
	struct door *door = *state;
	int fds[2];

	open_door(door, close_door);
	come(door, fds, 2);
	assert_int_equal(loop_run(door->loop), 0);
	assert_int_equal(door->accepted, 1);
	assert_int_equal(access(door->path, F_OK), -1);
	close(fds[0]);
	close(fds[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    flood_of_connections_is_not_taken_in_one_turn, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(
		    listener_may_be_freed_while_it_accepts, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
