// Worker threads: our own pthreads, pinned and registered with the EAL, and how they behave when idle.
#ifndef FC_THREAD_H
#define FC_THREAD_H

#include <pthread.h>
#include <rte_pause.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "dataplane.h"

struct fc_thread {
	pthread_t id;
	bool started;            // writer: control thread
	int cpu;                 // -1: not pinned
	uint64_t cpu_time_ns;    // user and system time it took; writer: the thread, before state is DONE; 0 until then
	atomic_int state;        // enum fc_state; writer: the thread; readers: any
	uint64_t capabilities;   // what it keeps of them, 1 << CAP_...
	void (*main)(void *arg); // runs on the thread
	void *arg;
	char name[16];
};

// Starts the thread on `cpu` (-1: anywhere the process may run) and returns once it is registered with the EAL. It
// keeps no more than these capabilities. Control thread. 0 or -errno.
int fc_thread_start(
	struct fc_thread *t, int cpu, uint64_t capabilities, void (*main)(void *), void *arg, const char *name);

// Runs `work` on a thread without capabilities, whose threads have none either, and waits for its end. Returns what it
// returns, with its fc_error(). Control thread.
int fc_thread_run_unprivileged(int (*work)(void *), void *arg);

// Waits for its end. Control thread; harmless when it was never started.
void fc_thread_join(struct fc_thread *t);

// What the thread took of the CPU, ns; 0 until it has ended. Any thread.
static inline uint64_t fc_thread_cpu_time_ns(const struct fc_thread *t)
{
	return atomic_load(&t->state) == FC_STATE_DONE ? t->cpu_time_ns : 0;
}

// Waiting without work. A worker that owns its core spins, for the shortest reaction; one that shares a core (fewer
// cores than workers, or a file to read, where nothing is lost by waiting) sleeps, longer the longer there is nothing.
struct fc_idle {
	bool backoff;
	unsigned rounds; // empty rounds in a row
};

enum { FC_IDLE_ROUNDS_FREE = 16, FC_IDLE_US_MIN = 20, FC_IDLE_US_MAX = 1000 };

static inline void fc_idle_reset(struct fc_idle *idle)
{
	idle->rounds = 0;
}

static inline void fc_idle_wait(struct fc_idle *idle)
{
	unsigned us;

	if (!idle->backoff || idle->rounds < FC_IDLE_ROUNDS_FREE) {
		idle->rounds++;
		rte_pause();
		return;
	}
	us = FC_IDLE_US_MIN << (idle->rounds - FC_IDLE_ROUNDS_FREE);
	if (us < FC_IDLE_US_MAX)
		idle->rounds++;
	else
		us = FC_IDLE_US_MAX;
	nanosleep(&(struct timespec){.tv_nsec = (long)us * 1000}, NULL);
}

#endif
