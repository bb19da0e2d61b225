#include "thread.h"

#include <rte_errno.h>
#include <rte_lcore.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "capabilities.h"
#include "clock.h"
#include "dataplane.h"
#include "error.h"

struct start {
	struct fc_thread *thread;
	sem_t registered;
	int error; // of the registration; writer: the new thread, before it posts
};

static void *run(void *arg)
{
	struct start *start = arg;
	struct fc_thread *t = start->thread;

	pthread_setname_np(pthread_self(), t->name); // of another thread it is a file
	start->error = -fc_capabilities_keep(t->capabilities);
	if (start->error == 0 && rte_thread_register() != 0)
		start->error = rte_errno;
	if (start->error != 0) {
		atomic_store(&t->state, FC_STATE_DONE);
		sem_post(&start->registered);
		return NULL;
	}
	sem_post(&start->registered); // `start` is gone from here on
	t->main(t->arg);
	t->cpu_time_ns = (uint64_t)fc_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	rte_thread_unregister();
	atomic_store(&t->state, FC_STATE_DONE);
	return NULL;
}

// Signals are for the control thread: a worker never runs a handler.
static int create_without_signals(struct fc_thread *t, const pthread_attr_t *attr, struct start *start)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&t->id, attr, run, start);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

int fc_thread_start(
	struct fc_thread *t, int cpu, uint64_t capabilities, void (*main)(void *), void *arg, const char *name)
{
	struct start start = {.thread = t};
	pthread_attr_t attr;
	cpu_set_t set;
	int error;

	t->cpu = cpu;
	t->capabilities = capabilities;
	t->main = main;
	t->arg = arg;
	snprintf(t->name, sizeof t->name, "%s", name);
	atomic_store(&t->state, FC_STATE_RUNNING);
	pthread_attr_init(&attr);
	if (cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		pthread_attr_setaffinity_np(&attr, sizeof set, &set);
	}
	sem_init(&start.registered, 0, 0);
	error = create_without_signals(t, &attr, &start);
	pthread_attr_destroy(&attr);
	if (error == 0) {
		while (sem_wait(&start.registered) != 0)
			;
		t->started = true;
		error = start.error;
	}
	sem_destroy(&start.registered);
	if (error != 0)
		return fc_error(error, "cannot start worker %s on CPU %d: %s", name, cpu, rte_strerror(error));
	return 0;
}

struct errand {
	int (*work)(void *);
	void *arg;
	int result;
	char error[512]; // of that thread, whose own goes with it
};

static void *run_errand(void *arg)
{
	struct errand *errand = arg;

	errand->result = fc_capabilities_keep(0);
	if (errand->result != 0)
		fc_error(-errand->result, "cannot give up capabilities: %s", strerror(-errand->result));
	else
		errand->result = errand->work(errand->arg);
	snprintf(errand->error, sizeof errand->error, "%s", fc_last_error());
	return NULL;
}

int fc_thread_run_unprivileged(int (*work)(void *), void *arg)
{
	struct errand errand = {.work = work, .arg = arg};
	pthread_t id;
	int error = pthread_create(&id, NULL, run_errand, &errand);

	if (error != 0)
		return fc_error(error, "cannot start a thread: %s", strerror(error));
	pthread_join(id, NULL);
	return errand.result == 0 ? 0 : fc_error(-errand.result, "%s", errand.error);
}

void fc_thread_join(struct fc_thread *t)
{
	if (!t->started)
		return;
	pthread_join(t->id, NULL);
	t->started = false;
}
