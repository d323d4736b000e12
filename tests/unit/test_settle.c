/* SPDX-License-Identifier: ISC */
/* Settling while the database is locked. The clock and the loop are the
 * test's own. */
#include <pthread.h>

#include "odmrd/jobs/settle.h"
#include "lib/clock.h"
#include "store_fixture.h"

enum { TOO_LONG_MS = 40000, BIG = 64 << 10, WAIT_S = 20 };

static _Atomic int64_t behind_ms;
static pthread_mutex_t rung_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t rung = PTHREAD_COND_INITIALIZER;
static bool ringing;

int64_t
clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - behind_ms;
}

struct wakeup {
	loop_call *call;
	void *arg;
};

static struct wakeup wakeup;

struct wakeup *
wakeup_new(struct loop *loop, loop_call *call, void *arg)
{
	assert_null(loop);
	wakeup = (struct wakeup) { call, arg };
	return &wakeup;
}

void
wakeup_ring(struct wakeup *w)
{
	assert_ptr_equal(w, &wakeup);
	pthread_mutex_lock(&rung_lock);
	ringing = true;
	pthread_cond_signal(&rung);
	pthread_mutex_unlock(&rung_lock);
}

void
wakeup_free(struct wakeup **w)
{
	*w = NULL;
}

/* One turn of the loop. */
static void
turn(void)
{
	struct timespec until;
	int error = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	pthread_mutex_lock(&rung_lock);
	while (!ringing && error == 0)
		error = pthread_cond_timedwait(&rung, &rung_lock, &until);
	ringing = false;
	pthread_mutex_unlock(&rung_lock);
	assert_int_equal(error, 0);
	wakeup.call(wakeup.arg);
}

/* ---- what the tests share ------------------------------------------------ */

static const char *doubted;

static void
on_doubt(const char *why, void *arg)
{
	(void)arg;
	doubted = why;
}

static void
on_answer(const struct tagged *tagged, void *arg)
{
	*(long *)arg = tagged->known ? tagged->messages : -1;
}

static struct settle *
start(struct fixture *f)
{
	struct settle *settle = settle_new(NULL, &f->conf, on_doubt, NULL);

	assert_non_null(settle);
	doubted = NULL;
	return settle;
}

/* What a question that was asked so long ago is answered. */
static long
unattempted(struct settle *settle, int64_t ago_ms)
{
	long answer = -2;

	behind_ms = ago_ms;
	assert_non_null(
	    settle_ask(settle, "a.org", "two", 0, on_answer, &answer));
	behind_ms = 0;
	while (answer == -2)
		turn();
	return answer;
}

static sqlite3 *
lock(struct fixture *f)
{
	sqlite3 *other = open_beside(f->database);

	execute(other, "BEGIN IMMEDIATE");
	return other;
}

static void
unlock(sqlite3 *other)
{
	execute(other, "COMMIT");
	sqlite3_close(other);
}

static void
add_tag(struct fixture *f)
{
	const struct tag tag = { .queue_id = "Q1",
		.domain = "a.org",
		.sender = "",
		.recipients = "x@a.org",
		.recipient_count = 1,
		.size = 100,
		.client = "192.0.2.1",
		.arrived = 10 };

	assert_ok(f, store_tag_add(f->store, &tag));
}

static const struct session_row session = {
	.id = "one",
	.pid = 7,
	.account = "a",
	.client = "::1",
	.domains = "a.org",
	.state = "delivering",
	.since = 20,
	.noted = 25,
};
static const struct settlement delivery = {
	.queue_id = "Q1",
	.domain = "a.org",
	.session = "one",
	.delivered = 1,
	.bytes = 100,
	.when = 22,
	.answer = "250 2.0.0 taken",
};

/* Until the notes take so much memory, of no message that was ever tagged. */
static void
fill(struct settle *settle, size_t bytes)
{
	char *answer = malloc(BIG);
	struct settlement s = delivery;

	memset(answer, 'x', BIG - 1);
	answer[BIG - 1] = '\0';
	s.queue_id = "Q2";
	s.answer = answer;
	for (; bytes >= BIG; bytes -= BIG)
		settle_tx(settle, &s);
	free(answer);
}

#define TAG_STATE "SELECT state FROM tag WHERE queue_id = 'Q1'"
#define SESSIONS  "SELECT count(*) FROM session"
#define ENDED                                                                  \
	"SELECT coalesce(sum(sessions), 0) || '/' || "                         \
	"coalesce(sum(seconds), 0) FROM session_usage"

/* ---- tests --------------------------------------------------------------- */

static void
notes_wait_until_the_database_can_be_written(void **arg)
{
	struct fixture *f = *arg;
	struct settle *settle = start(f);
	sqlite3 *other;

	add_tag(f);
	assert_int_equal(unattempted(settle, 0), 1);
	other = lock(f);
	settle_session(settle, &session);
	settle_tx(settle, &delivery);
	settle_end(settle, &session);
	assert_int_equal(unattempted(settle, TOO_LONG_MS), -1);
	assert_answer(f->database, TAG_STATE, "held");
	unlock(other);
	assert_int_equal(unattempted(settle, 0), 0);
	assert_answer(f->database, TAG_STATE, "delivered");
	assert_answer(f->database, SESSIONS, "0");
	assert_answer(f->database, ENDED, "1/5");
	assert_null(doubted);
	settle_free(&settle);
}

static void
a_row_yields_its_room_to_what_counts(void **arg)
{
	struct fixture *f = *arg;
	struct settle *settle = start(f);
	sqlite3 *other = lock(f);

	fill(settle, SETTLE_ROOM / 2);
	settle_session(settle, &session);
	unlock(other);
	assert_int_equal(unattempted(settle, 0), 0);
	assert_answer(f->database, SESSIONS, "0");
	/* The end brings what the row would have told. */
	settle_end(settle, &session);
	settle_free(&settle);
	assert_answer(f->database, ENDED, "1/5");
}

static void
a_dead_odmrd_s_sessions_end_however_long_that_takes(void **arg)
{
	struct fixture *f = *arg;
	struct settle *settle;
	sqlite3 *other;

	assert_ok(f, store_session_put(f->store, &session));
	other = lock(f);
	settle = start(f);
	assert_int_equal(unattempted(settle, TOO_LONG_MS), -1);
	unlock(other);
	assert_int_equal(unattempted(settle, 0), 0);
	assert_answer(f->database, SESSIONS, "0");
	assert_answer(f->database, ENDED, "1/5");
	settle_free(&settle);
}

static void
what_finds_no_room_is_doubted(void **arg)
{
	struct fixture *f = *arg;
	struct settle *settle = start(f);
	sqlite3 *other = lock(f);

	fill(settle, SETTLE_ROOM - SETTLE_ROOM / 8);
	assert_null(doubted);
	fill(settle, SETTLE_ROOM / 4);
	assert_string_equal(doubted, "tags not settled");
	unlock(other);
	settle_free(&settle);
}

static void
what_cannot_be_written_at_the_end_is_given_up(void **arg)
{
	struct fixture *f = *arg;
	struct settle *settle = start(f);
	sqlite3 *other;

	add_tag(f);
	assert_int_equal(unattempted(settle, 0), 1);
	other = lock(f);
	settle_tx(settle, &delivery);
	settle_free(&settle);
	unlock(other);
	assert_answer(f->database, TAG_STATE, "held");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(notes_wait_until_the_database_can_be_written),
		STORE_TEST(a_row_yields_its_room_to_what_counts),
		STORE_TEST(a_dead_odmrd_s_sessions_end_however_long_that_takes),
		STORE_TEST(what_finds_no_room_is_doubted),
		STORE_TEST(what_cannot_be_written_at_the_end_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
