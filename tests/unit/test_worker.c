/* SPDX-License-Identifier: ISC */
/* Whose turn it is with the workers. */
#include <pthread.h>
#include <semaphore.h>

#include "odmrd/jobs/worker.h"
#include "store_fixture.h"

enum { THREADS = 2, WAIT_S = 20 };

struct task {
	struct job job;
	char letter;
};

static sem_t begun, go_on, over;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char order[32];

/* ---- jobs */

static void
wait_for(sem_t *sem)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	assert_int_equal(sem_timedwait(sem, &until), 0);
}

static void
note(struct job *job)
{
	char letter[] = { ((struct task *)job)->letter, '\0' };

	pthread_mutex_lock(&lock);
	strcat(order, letter);
	pthread_mutex_unlock(&lock);
}

static void
slow(struct job *job, struct store *store)
{
	(void)store;
	note(job);
	sem_post(&begun);
	wait_for(&go_on);
	sem_post(&over);
}

static void
quick(struct job *job, struct store *store)
{
	(void)store;
	note(job);
	sem_post(&over);
}

static void
done(struct job *job)
{
	(void)job;
}

static struct task
task(char letter, int64_t account,
    void (*work)(struct job *job, struct store *store))
{
	return (struct task) {
		.job = { .work = work, .done = done, .account = account },
		.letter = letter,
	};
}

static void
account_has_one_job_at_a_time_and_others_go_before_its_next(void **arg)
{
	struct fixture *f = *arg;
	struct loop *loop = loop_new();
	struct worker *worker = worker_new(loop, &f->conf, THREADS);
	struct task tasks[] = { task('a', 1, slow), task('b', 1, quick),
		task('c', 1, quick), task('x', 2, quick), task('y', 0, quick) };
	enum { COUNT = sizeof(tasks) / sizeof(tasks[0]) };

	assert_non_null(worker);
	sem_init(&begun, 0, 0);
	sem_init(&go_on, 0, 0);
	sem_init(&over, 0, 0);
	worker_submit(worker, &tasks[0].job);
	wait_for(&begun);
	for (int i = 1; i < COUNT; i++)
		worker_submit(worker, &tasks[i].job);
	wait_for(&over);
	wait_for(&over);
	assert_string_equal(order, "axy");
	sem_post(&go_on);
	for (int i = 2; i < COUNT; i++)
		wait_for(&over);
	assert_string_equal(order, "axybc");
	worker_free(&worker);
	loop_free(&loop);
}

static void
jobs_of_nobody_need_not_wait_for_each_other(void **arg)
{
	struct fixture *f = *arg;
	struct loop *loop = loop_new();
	struct worker *worker = worker_new(loop, &f->conf, THREADS);
	struct task first = task('a', 0, slow), second = task('b', 0, slow);

	worker_submit(worker, &first.job);
	worker_submit(worker, &second.job);
	wait_for(&begun);
	wait_for(&begun);
	for (int i = 0; i < 2; i++)
		sem_post(&go_on);
	worker_free(&worker);
	loop_free(&loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    account_has_one_job_at_a_time_and_others_go_before_its_next,
		    fixture_make_initialised, fixture_remove),
		cmocka_unit_test_setup_teardown(
		    jobs_of_nobody_need_not_wait_for_each_other,
		    fixture_make_initialised, fixture_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
