/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "lib/mx.h"
#include "prober.h"

/* Enough for the resolver. */
enum { STACK_SIZE = 256 * 1024 };

static void *
work(void *arg)
{
	struct errand *errand = arg;

	resolver_setup();
	errand->host =
	    reach_hop(&errand->route, errand->nexthop, errand->myhostname);
	/* A pipe takes an address whole, and has room for one of each thread.
	 */
	while (write(errand->home, &arg, sizeof(arg)) == -1 && errno == EINTR)
		continue;
	return NULL;
}

bool
prober_send(struct errand *errand)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int error;

	if (pthread_attr_init(&attributes) != 0)
		return false;
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	error = pthread_create(&thread, &attributes, work, errand);
	pthread_attr_destroy(&attributes);
	return error == 0;
}
