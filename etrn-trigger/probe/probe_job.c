/* SPDX-License-Identifier: ISC */
/*
 * Whether the host behind a next hop is up: its addresses are tried in turn,
 * and the first server that greets by 220 and answers EHLO by 2xx will do.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/smtp/mx.h"
#include "lib/smtp/client.h"
#include "probe.h"

/* Enough for the resolver. */
enum { STACK_SIZE = 256 * 1024 };

/* A postscreen(8) that does not know us holds its 220 back for 6 s, so a server
 * gets a little more than that from the connection's begin to its end. */
enum { CONNECT_SECONDS = 4, TOTAL_MS = 8000 };

static bool
unwanted(struct smtp_client *client, const char *what)
{
	return smtp_fail(client, EX_UNAVAILABLE, "%s %d %.120s", what,
	    client->reply.code, client->reply.text);
}

static bool
is_greeted(struct smtp_client *client)
{
	if (!smtp_hear(client))
		return false;
	if (client->reply.code != 220)
		return unwanted(client, "greets with");
	return smtp_command(client, "EHLO %s", client->hostname) &&
	    (reply_class(&client->reply) == 2 ||
		unwanted(client, "answers EHLO with"));
}

static bool
is_up(struct probe_job *job, const struct address *to)
{
	struct smtp_client client = {
		.hostname = job->myhostname,
		.until = clock_ms() + TOTAL_MS,
	};
	bool up = smtp_open_address(&client, to, CONNECT_SECONDS) &&
	    is_greeted(&client);

	/* Nobody waits for the answer. */
	if (!client.lost)
		smtp_say(&client, "QUIT");
	wire_close(&client.wire);
	if (!up)
		snprintf(job->route.why, ROUTE_WHY_SIZE, "%s: %.160s", to->text,
		    client.why);
	return up;
}

static void *
work(void *arg)
{
	struct probe_job *job = arg;
	struct route *route = &job->route;

	resolver_setup();
	route_find(route, job->nexthop, job->myhostname);
	for (size_t i = 0; i < route->count && job->host == NULL; i++)
		if (is_up(job, &route->all[i]))
			job->host = route->all[i].text;
	/* A pipe takes an address whole, and has room for one of each thread.
	 */
	while (write(job->home, &arg, sizeof(arg)) == -1 && errno == EINTR)
		continue;
	return NULL;
}

bool
probe_start(struct probe_job *job)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int error;

	if (pthread_attr_init(&attributes) != 0)
		return false;
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	error = pthread_create(&thread, &attributes, work, job);
	pthread_attr_destroy(&attributes);
	return error == 0;
}
