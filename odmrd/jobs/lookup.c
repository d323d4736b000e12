/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/postfix/program.h"
#include "lib/smtp/mx.h"
#include "lookup.h"

/* STACK_SIZE: enough for the resolver. */
enum { READERS = 2, POSTCONF_SECONDS = 5, STACK_SIZE = 256 * 1024 };

struct lookups {
	struct worker *worker;
	pthread_attr_t thread;
	pthread_mutex_t lock;   /* over what follows */
	struct wakeup *wakeup;  /* NULL: the asker has gone */
	struct lookup *through; /* with the DNS */
	unsigned threads;
};

static void
fail(struct lookup *lookup, const char *why)
{
	lookup->result = STORE_FAILED;
	lookup->route.count = 0;
	snprintf(lookup->route.why, sizeof(lookup->route.why), "%.400s", why);
}

/* No next hop begins with it. */
const char *
lookup_owner(int64_t account, char out[OWNER_SIZE])
{
	snprintf(out, OWNER_SIZE, "#%" PRId64, account);
	return out;
}

/* ---- on a worker: the database ------------------------------------------- */

static void
take_domain(const struct domain *domain, void *arg)
{
	struct lookup *lookup = arg;
	const char *text =
	    domain->nexthop != NULL ? domain->nexthop : domain->name;

	strlcpy(lookup->socket, domain->socket, sizeof(lookup->socket));
	strlcpy(lookup->nexthop, text, sizeof(lookup->nexthop));
	lookup->has_owner = domain->nexthop != NULL;
	if (domain->mode != MODE_HOLD)
		lookup->result = STORE_NONE;
}

static enum store_result
read_owner(struct lookup *lookup, struct store *store)
{
	int64_t account;
	enum store_result result =
	    store_domain_owner(store, lookup->domain, &account);

	if (result == STORE_OK) {
		lookup_owner(account, lookup->owner);
		lookup->has_owner = true;
	} else
		strlcpy(lookup->owner, lookup->nexthop, sizeof(lookup->owner));
	return result == STORE_NONE ? STORE_OK : result;
}

/* Asked anew each time: it takes milliseconds, and the answer may change
 * without a word to odmrd. Where Postfix does not tell, there is our own name,
 * which should be the same. */
static char *
ask_ourselves(const struct conf *conf)
{
	const char *const argv[] = { conf->postconf_path, "-c",
		conf->postfix_config_directory, "-hx", "myhostname",
		"proxy_interfaces", NULL };
	const struct program postconf = { .argv = argv,
		.seconds = POSTCONF_SECONDS };
	char error[256], *output, *all;
	bool ok = program_output(&postconf, &output, error, sizeof(error));

	if (asprintf(&all, "%s %s", conf->myhostname, ok ? output : "") == -1)
		all = NULL;
	free(output);
	return all;
}

static void
work(struct job *job, struct store *store)
{
	struct lookup *lookup = (struct lookup *)job;
	enum store_result result;

	lookup->result = STORE_OK;
	result = store_domain_get(store, lookup->domain, take_domain, lookup);
	if (result == STORE_OK && lookup->result == STORE_OK)
		result = read_owner(lookup, store);
	if (result == STORE_FAILED)
		fail(lookup, store_error(store));
	else if (result != STORE_OK)
		lookup->result = result;
	if (lookup->conf != NULL && lookup->result == STORE_OK)
		lookup->ourselves = ask_ourselves(lookup->conf);
}

static void
on_read(struct job *job)
{
	struct lookup *lookup = (struct lookup *)job;

	lookup->done(lookup->asker);
}

void
lookup_read(struct lookup *lookup, const struct conf *conf)
{
	lookup->conf = conf;
	free(lookup->ourselves);
	lookup->ourselves = NULL;
	lookup->job.work = work;
	lookup->job.done = on_read;
	strlcpy(lookup->owner, lookup->domain, sizeof(lookup->owner));
	/* Stays, should no worker get to it. */
	fail(lookup, "no database");
	worker_submit(lookup->all->worker, &lookup->job);
}

/* ---- on a thread of its own: the DNS ------------------------------------- */

static void
lookups_bury(struct lookups *all)
{
	wakeup_free(&all->wakeup);
	pthread_mutex_destroy(&all->lock);
	pthread_attr_destroy(&all->thread);
	free(all);
}

/* True: the last one of those who are not waited for. */
static bool
bring_home(struct lookup *lookup)
{
	struct lookups *all = lookup->all;
	bool last;

	pthread_mutex_lock(&all->lock);
	all->threads--;
	last = all->wakeup == NULL && all->threads == 0;
	if (all->wakeup != NULL) {
		lookup->next = all->through;
		all->through = lookup;
		wakeup_ring(all->wakeup);
	} else
		lookup_free(&lookup);
	pthread_mutex_unlock(&all->lock);
	return last;
}

static void *
resolve(void *arg)
{
	struct lookup *lookup = arg;
	struct lookups *all = lookup->all;

	resolver_setup();
	route_find(&lookup->route, lookup->nexthop, lookup->ourselves);
	if (bring_home(lookup))
		lookups_bury(all);
	return NULL;
}

static struct lookup *
pop(struct lookups *all)
{
	struct lookup *lookup;

	pthread_mutex_lock(&all->lock);
	lookup = all->through;
	if (lookup != NULL)
		all->through = lookup->next;
	pthread_mutex_unlock(&all->lock);
	return lookup;
}

static void
on_through(void *arg)
{
	struct lookups *all = arg;
	struct lookup *lookup;

	while ((lookup = pop(all)) != NULL)
		lookup->done(lookup->asker);
}

void
lookup_resolve(struct lookup *lookup)
{
	struct lookups *all = lookup->all;
	pthread_t thread;

	pthread_mutex_lock(&all->lock);
	all->threads++;
	pthread_mutex_unlock(&all->lock);
	if (lookup->ourselves != NULL &&
	    pthread_create(&thread, &all->thread, resolve, lookup) == 0)
		return;
	fail(lookup, "out of memory, or of threads");
	bring_home(lookup);
}

/* ---- both ---------------------------------------------------------------- */

struct lookup *
lookup_new(struct lookups *all, const char *domain, void (*done)(void *asker),
    void *asker)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));

	if (lookup == NULL)
		return NULL;
	lookup->all = all;
	lookup->done = done;
	lookup->asker = asker;
	strlcpy(lookup->domain, domain, sizeof(lookup->domain));
	return lookup;
}

void
lookup_free(struct lookup **lookup)
{
	if (*lookup != NULL)
		free((*lookup)->ourselves);
	free(*lookup);
	*lookup = NULL;
}

struct lookups *
lookups_new(struct loop *loop, const struct conf *conf)
{
	struct lookups *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return NULL;
	if (pthread_attr_init(&all->thread) != 0) {
		free(all);
		return NULL;
	}
	pthread_attr_setstacksize(&all->thread, STACK_SIZE);
	pthread_attr_setdetachstate(&all->thread, PTHREAD_CREATE_DETACHED);
	pthread_mutex_init(&all->lock, NULL);
	all->wakeup = wakeup_new(loop, on_through, all);
	all->worker = worker_new(loop, conf, READERS);
	if (all->wakeup == NULL || all->worker == NULL)
		lookups_free(&all);
	return all;
}

void
lookups_free(struct lookups **lookups)
{
	struct lookups *all = *lookups;
	struct lookup *lookup, *next;
	bool last;

	*lookups = NULL;
	worker_free(&all->worker);
	pthread_mutex_lock(&all->lock);
	wakeup_free(&all->wakeup);
	next = all->through;
	last = all->threads == 0;
	pthread_mutex_unlock(&all->lock);
	/* From here on it may be gone, by the last thread. */
	if (last)
		lookups_bury(all);
	while ((lookup = next) != NULL) {
		next = lookup->next;
		lookup->done(lookup->asker);
	}
}
