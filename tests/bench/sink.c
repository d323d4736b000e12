/* SPDX-License-Identifier: ISC */
/*
 * A server that throws mail away as fast as it comes, one thread for each
 * connection.
 *
 *	sink lmtp|lockstep|pipelining|chunking MESSAGES
 *
 * Standard input is a socket that listens. When that many messages have come it
 * says so in one line of JSON, and goes on: whoever started it ends it.
 */
#include <sys/socket.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "serve.h"

static enum dialect dialect;
static struct tally tally;

static void *
connection(void *arg)
{
	struct stream *s = arg;

	serve(s, dialect, &tally);
	stream_free(&s);
	return NULL;
}

static void *
listener(void *arg)
{
	struct stream *s;
	pthread_t thread;
	int fd;

	(void)arg;
	while ((fd = accept(STDIN_FILENO, NULL, NULL)) != -1) {
		s = stream_new(fd);
		if (s == NULL ||
		    pthread_create(&thread, NULL, connection, s) != 0)
			errx(EX_OSERR, "no resources for a connection");
		pthread_detach(thread);
	}
	err(EX_OSERR, "accept");
}

int
main(int argc, char **argv)
{
	pthread_t thread;
	long wanted;

	if (argc != 3 || !dialect_parse(argv[1], &dialect))
		errx(EX_USAGE, "usage: sink DIALECT MESSAGES <socket");
	wanted = atol(argv[2]);
	tally_init(&tally);
	if (pthread_create(&thread, NULL, listener, NULL) != 0)
		errx(EX_OSERR, "no thread");
	pthread_mutex_lock(&tally.lock);
	while (tally.messages < wanted)
		pthread_cond_wait(&tally.grown, &tally.lock);
	printf("{\"messages\": %ld, \"bytes\": %lld, \"first\": %.6f, "
	       "\"last\": %.6f}\n",
	    tally.messages, tally.bytes, tally.first, tally.last);
	fflush(stdout);
	pthread_mutex_unlock(&tally.lock);
	pthread_join(thread, NULL);
	return EX_OK;
}
