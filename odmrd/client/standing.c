/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "odmrd/delivery/customer.h"
#include "lib/lines.h"
#include "lib/log.h"
#include "client.h"
#include "standing.h"
#include "turn.h"

enum { EVERY_MS = 60000, RETRY_MS = 1000 };

struct standing_watch {
	struct server *server;
	struct timer *timer;
	bool failing; /* and the log knows */
};

/* One who has logged in, or was dialled. */
struct person {
	struct identity who;
	char *domains; /* that it collects, or is about to, one a line */
	bool lost;
	bool lingers_otherwise;
};

/* It belongs to the worker until done() has it back. */
struct recheck {
	struct job job;
	struct server *server;
	const struct recheck_role *role; /* NULL: nobody waits for it */
	void *owner;
	struct person *persons;
	size_t count;
	char fault[256]; /* "": none */
};

/* ---- on a worker --------------------------------------------------------- */

enum store_result
standing_ask(struct store *store, struct identity *who)
{
	const struct standing standing = {
		.account = who->account,
		.login = who->login,
		.passwords = who->passwords,
		.certificate =
		    who->certificate[0] != '\0' ? who->certificate : NULL,
	};

	return store_account_stands(store, &standing, &who->linger);
}

static void
on_domain(const struct domain *domain, void *arg)
{
	struct wanted *wanted = arg;

	if (domain->mode == MODE_ODMR)
		strlcpy(wanted->socket, domain->socket, DOMAIN_SIZE);
}

enum store_result
standing_find(struct store *store, int64_t account, struct wanted *wanted)
{
	enum store_result result = store_granted(store, account, wanted->name);

	wanted->socket[0] = '\0';
	if (result == STORE_OK)
		result =
		    store_domain_get(store, wanted->name, on_domain, wanted);
	if (result == STORE_OK && wanted->socket[0] == '\0')
		result = STORE_NONE;
	return result;
}

static void
note_held(const struct domain *domain, void *held)
{
	*(bool *)held = domain->mode == MODE_HOLD;
}

/* Of who was dialled. */
static enum store_result
find_held(struct store *store, const char *name)
{
	bool held = false;
	enum store_result result =
	    store_domain_get(store, name, note_held, &held);

	return result == STORE_OK && !held ? STORE_NONE : result;
}

static enum store_result
ask_about(struct store *store, struct person *person)
{
	enum store_result result;
	long linger = person->who.linger;
	const char *domains = person->domains;
	struct wanted wanted;

	if (person->who.account == 0)
		return find_held(store, person->domains);
	result = standing_ask(store, &person->who);
	person->lingers_otherwise = person->who.linger != linger;
	while (result == STORE_OK && domains != NULL &&
	    lines_next(&domains, wanted.name, sizeof(wanted.name)))
		result = standing_find(store, person->who.account, &wanted);
	return result;
}

static void
work(struct job *job, struct store *store)
{
	struct recheck *recheck = (struct recheck *)job;

	recheck->fault[0] = '\0';
	for (size_t i = 0; i < recheck->count; i++)
		switch (ask_about(store, &recheck->persons[i])) {
		case STORE_NONE:
			recheck->persons[i].lost = true;
			break;
		case STORE_FAILED:
			strlcpy(recheck->fault, store_error(store),
			    sizeof(recheck->fault));
			return;
		default:
			break;
		}
}

/* ---- in the loop --------------------------------------------------------- */

static void
recheck_free(struct recheck *recheck)
{
	for (size_t i = 0; i < recheck->count; i++) {
		free(recheck->persons[i].who.login);
		free(recheck->persons[i].domains);
	}
	free(recheck->persons);
	free(recheck);
}

void
recheck_forget(struct recheck **recheck)
{
	if (*recheck != NULL)
		(*recheck)->role = NULL;
	*recheck = NULL;
}

/* Meanwhile somebody may have gone, or logged in as another. */
static bool
is_same(const struct identity *a, const struct identity *b)
{
	return a->account == b->account && strcmp(a->id, b->id) == 0;
}

/* True: it is told to end now. */
static bool
apply_to_customer(struct customer *c, const struct person *person)
{
	if (!person->lost)
		linger_change(c, person->who.linger);
	else if (c->stopping == NULL && c->state <= CUSTOMER_LINGERING) {
		customer_stop(c, STANDING_LOST);
		return true;
	}
	return false;
}

static bool
apply_to_client(struct client *cl, const struct person *person)
{
	if (!person->lost)
		cl->who.linger = person->who.linger;
	else if (cl->dismissed == NULL) {
		client_dismiss(cl, STANDING_LOST);
		return true;
	}
	return false;
}

/* The session may have turned the line meanwhile. */
static bool
apply(struct server *server, const struct person *person)
{
	struct customer *c;
	struct client *cl;

	TAILQ_FOREACH(c, &server->customers, entry)
		if (is_same(&c->who, &person->who))
			return apply_to_customer(c, person);
	TAILQ_FOREACH(cl, &server->clients, entry)
		if (is_same(&cl->who, &person->who))
			return apply_to_client(cl, person);
	return false;
}

static void
note_fault(struct standing_watch *watch, const char *fault)
{
	if (fault[0] != '\0' && !watch->failing)
		log_error(NULL,
		    "cannot ask whether those in session may go on: %s", fault);
	watch->failing = fault[0] != '\0';
	timer_set(watch->timer, watch->failing ? RETRY_MS : EVERY_MS);
}

static void
done(struct job *job)
{
	struct recheck *recheck = (struct recheck *)job;
	struct server *server = recheck->server;
	const struct recheck_role *role;

	for (size_t i = 0; i < recheck->count; i++) {
		const struct person *person = &recheck->persons[i];

		if ((person->lost || person->lingers_otherwise) &&
		    apply(server, person) && (role = recheck->role) != NULL)
			role->ended(recheck->owner, &person->who);
	}
	note_fault(server->standing, recheck->fault);
	if ((role = recheck->role) != NULL)
		role->done(recheck->owner,
		    recheck->fault[0] != '\0' ? recheck->fault : NULL);
	recheck_free(recheck);
}

/* False: out of memory. */
static bool
add(struct recheck *recheck, const struct identity *who, char *domains)
{
	struct person *person = &recheck->persons[recheck->count];

	if (!identity_copy(&person->who, who)) {
		free(domains);
		return false;
	}
	person->domains = domains;
	recheck->count++;
	return true;
}

static bool
add_all(struct recheck *recheck)
{
	const struct server *server = recheck->server;
	const struct customer *c;
	const struct client *cl;
	char *domains;

	TAILQ_FOREACH(c, &server->customers, entry) {
		domains = strdup(c->domains);
		if (domains == NULL || !add(recheck, &c->who, domains))
			return false;
	}
	TAILQ_FOREACH(cl, &server->clients, entry) {
		if (cl->who.login == NULL)
			continue;
		domains = cl->turn != NULL ? turn_domains(cl->turn) : NULL;
		if ((cl->turn != NULL && domains == NULL) ||
		    !add(recheck, &cl->who, domains))
			return false;
	}
	return true;
}

static size_t
count_all(const struct server *server)
{
	const struct customer *c;
	const struct client *cl;
	size_t count = 0;

	TAILQ_FOREACH(c, &server->customers, entry)
		count++;
	TAILQ_FOREACH(cl, &server->clients, entry)
		count++;
	return count;
}

struct recheck *
standing_recheck(
    struct server *server, const struct recheck_role *role, void *owner)
{
	struct recheck *recheck = calloc(1, sizeof(*recheck));

	if (recheck == NULL)
		return NULL;
	recheck->server = server;
	recheck->persons =
	    calloc(count_all(server) + 1, sizeof(recheck->persons[0]));
	if (recheck->persons == NULL || !add_all(recheck)) {
		recheck_free(recheck);
		return NULL;
	}
	recheck->role = role;
	recheck->owner = owner;
	recheck->job.work = work;
	recheck->job.done = done;
	strcpy(recheck->fault, "no database");
	server->rechecks++;
	worker_submit(server->worker, &recheck->job);
	return recheck;
}

static void
on_timer(void *arg)
{
	struct standing_watch *watch = arg;

	if (standing_recheck(watch->server, NULL, NULL) == NULL)
		note_fault(watch, "out of memory");
}

struct standing_watch *
standing_watch_new(struct server *server)
{
	struct standing_watch *watch = calloc(1, sizeof(*watch));

	if (watch == NULL)
		return NULL;
	watch->server = server;
	watch->timer = timer_new(server->loop, on_timer, watch);
	if (watch->timer == NULL) {
		free(watch);
		return NULL;
	}
	timer_set(watch->timer, EVERY_MS);
	return watch;
}

void
standing_watch_free(struct standing_watch **watch)
{
	if (*watch == NULL)
		return;
	timer_free(&(*watch)->timer);
	free(*watch);
	*watch = NULL;
}
