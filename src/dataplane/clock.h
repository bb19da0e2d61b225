// Times in nanoseconds.
#ifndef FC_CLOCK_H
#define FC_CLOCK_H

#include <stdint.h>
#include <time.h>

#define FC_NS_PER_US INT64_C(1000)
#define FC_NS_PER_MS INT64_C(1000000)
#define FC_NS_PER_S INT64_C(1000000000)

static inline int64_t fc_clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * FC_NS_PER_S + t.tv_nsec;
}

// Unix epoch.
static inline uint64_t fc_now_ns(void)
{
	return (uint64_t)fc_clock_ns(CLOCK_REALTIME);
}

// For time-outs: never steps.
static inline int64_t fc_monotonic_ns(void)
{
	return fc_clock_ns(CLOCK_MONOTONIC);
}

#endif
