/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection.h"
#include "protocol.h"

enum {
	INPUT_SIZE = 4096,
	/* A body comes in packets of 64 KiB, from who cannot leave it out. */
	INPUT_MAX = 128 << 10
};

struct connection *
connection_new(int fd)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (connection == NULL)
		close(fd);
	else
		connection->fd = fd;
	return connection;
}

void
connection_free(struct connection *connection)
{
	session_clear(&connection->session);
	close(connection->fd);
	free(connection->input);
	free(connection);
}

static bool
make_room(struct connection *connection)
{
	size_t room = connection->room == 0 ? INPUT_SIZE : connection->room * 2;
	char *grown;

	if (connection->used < connection->room)
		return true;
	if (room > INPUT_MAX)
		return false;
	grown = realloc(connection->input, room);
	if (grown == NULL)
		return false;
	connection->input = grown;
	connection->room = room;
	return true;
}

static bool
read_input(struct connection *connection)
{
	ssize_t count;

	if (!make_room(connection))
		return false;
	count = recv(connection->fd, connection->input + connection->used,
	    connection->room - connection->used, 0);
	if (count == -1)
		return errno == EAGAIN || errno == EINTR;
	connection->used += (size_t)count;
	return count > 0;
}

/* A few octets; where they do not fit, nobody reads at the other end. */
static bool
send_answer(const struct connection *connection, const struct answer *answer)
{
	return answer->size == 0 ||
	    send(connection->fd, answer->bytes, answer->size, MSG_NOSIGNAL) ==
	    (ssize_t)answer->size;
}

/* The size of the packet at `at` without its length; false: not all is there.
 */
static bool
has_packet(const struct connection *connection, size_t at, size_t *size)
{
	uint32_t length;

	if (connection->used - at < PACKET_LENGTH_SIZE)
		return false;
	memcpy(&length, connection->input + at, sizeof(length));
	*size = ntohl(length);
	return connection->used - at - PACKET_LENGTH_SIZE >= *size;
}

static bool
work(struct connection *connection)
{
	struct answer answer;
	size_t at = 0, size;
	bool alive = true;

	while (alive && has_packet(connection, at, &size)) {
		at += PACKET_LENGTH_SIZE;
		alive = session_packet(&connection->session,
			    connection->input + at, size, &answer) &&
		    send_answer(connection, &answer);
		at += size;
	}
	connection->used -= at;
	memmove(connection->input, connection->input + at, connection->used);
	return alive;
}

bool
connection_receive(struct connection *connection)
{
	return read_input(connection) && work(connection);
}
