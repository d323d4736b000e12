/* SPDX-License-Identifier: ISC */
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "listing.h"
#include "log.h"
#include "postqueue.h"
#include "release.h"

enum { LISTING_SECONDS = 300, SAID_SIZE = 512, CANCEL_MS = 200 };

static volatile sig_atomic_t cancelled;

void
release_cancel(void)
{
	cancelled = 1;
}

/* Gets a piece of the child's output; a length of 0 ends it. */
typedef void output_reader(void *arg, const char *bytes, size_t len);

/* False: it did not come to its end in time. */
static bool
read_all(int fd, int64_t until, output_reader *reader, void *arg)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char bytes[16384];
	int64_t left;
	ssize_t n;

	while ((left = until - clock_ms()) > 0 && !cancelled) {
		/* A signal may come just before poll: it looks up again. */
		if (poll(&pfd, 1, left < CANCEL_MS ? (int)left : CANCEL_MS) ==
			-1 &&
		    errno != EINTR)
			return false;
		n = read(fd, bytes, sizeof(bytes));
		if (n > 0)
			reader(arg, bytes, (size_t)n);
		else if (n == 0)
			return true;
		else if (errno != EAGAIN && errno != EINTR)
			return false;
	}
	return false;
}

/* Runs postqueue to its end, or kills it. True: it has succeeded. */
static bool
run(const struct conf *conf, const char *option, const char *operand,
    long seconds, output_reader *reader, void *arg)
{
	int status = 0, output, error;
	bool whole;
	pid_t pid;

	error = postqueue_spawn(conf, option, operand, &pid, &output);
	if (error != 0) {
		log_error(
		    NULL, "%s: %s", conf->postqueue_path, strerror(error));
		return false;
	}
	whole = read_all(output, clock_ms() + seconds * 1000, reader, arg);
	close(output);
	if (!whole)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		continue;
	if (!whole && !cancelled)
		log_error(NULL, "postqueue %s: no end after %lds, killed",
		    option, seconds);
	return whole && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- counting ---------------------------------------------------------- */

struct count {
	struct waiting *domains;
	size_t count;
	struct listing listing;
	int64_t ordinal; /* of the message that is read, from 1 */
	int64_t last;    /* the last one that counted, for any domain */
};

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct waiting *)a)->name,
	    ((const struct waiting *)b)->name);
}

static int
compare_name(const void *name, const void *element)
{
	return strcmp(name, ((const struct waiting *)element)->name);
}

static void
count_recipient(struct count *count, const char *domain)
{
	struct waiting *found = bsearch(domain, count->domains, count->count,
	    sizeof(count->domains[0]), compare_name);

	if (found == NULL || found->last == count->ordinal)
		return;
	found->last = count->ordinal;
	found->messages++;
	found->only += count->last != count->ordinal;
	count->last = count->ordinal;
}

static bool
on_message(void *arg, const struct queued *message)
{
	struct count *count = arg;

	for (size_t i = 0; i < message->recipients.count; i++)
		count_recipient(count, message->recipients.all[i].domain);
	count->ordinal++;
	return true;
}

/* What comes behind a fault is read, so that postqueue can end. */
static void
read_listing(void *arg, const char *bytes, size_t len)
{
	struct listing *listing = &((struct count *)arg)->listing;

	if (listing->fault[0] == '\0')
		listing_read(listing, bytes, len);
}

bool
release_count(const struct conf *conf, struct waiting *domains, size_t count)
{
	struct count state = { .domains = domains,
		.count = count,
		.listing = { .message = on_message, .arg = &state },
		.ordinal = 1 };
	bool ok;

	qsort(domains, count, sizeof(domains[0]), compare);
	for (size_t i = 0; i < count; i++)
		domains[i].messages = domains[i].only = domains[i].last = 0;
	ok = run(conf, "-j", NULL, LISTING_SECONDS, read_listing, &state) &&
	    state.listing.fault[0] == '\0' && listing_end(&state.listing);
	listing_clear(&state.listing);
	if (!ok && !cancelled)
		log_error(NULL, "postqueue -j: the queue cannot be read%s%s",
		    state.listing.fault[0] != '\0' ? ": " : "",
		    state.listing.fault);
	return ok;
}

/* ---- releasing --------------------------------------------------------- */

struct said {
	char text[SAID_SIZE];
	size_t len;
};

/* Its first words are enough. */
static void
keep_said(void *arg, const char *bytes, size_t len)
{
	struct said *said = arg;
	size_t room = sizeof(said->text) - 1 - said->len;

	if (len > room)
		len = room;
	memcpy(said->text + said->len, bytes, len);
	said->len += len;
}

bool
release_flush(const struct conf *conf, const char *domain)
{
	struct said said = { .len = 0 };

	if (run(conf, "-s", domain, conf->flush_timeout, keep_said, &said))
		return true;
	said.text[said.len] = '\0';
	said.text[strcspn(said.text, "\n")] = '\0';
	if (!cancelled)
		log_error(
		    NULL, "postqueue -s %s failed: %s", domain, said.text);
	return false;
}

bool
release_domain(const struct trigger *trigger, const char *domain)
{
	if (store_domain_release(trigger->store, domain, time(NULL)) !=
	    STORE_FAILED)
		return release_flush(&trigger->conf, domain);
	log_error(NULL, "%s", store_error(trigger->store));
	return false;
}
