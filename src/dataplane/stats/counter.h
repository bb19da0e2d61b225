// Counters with one writer and any number of readers.
//
// They are plain uint64_t, so that the public rows and the live counters are one definition; every access goes through
// these functions, which are atomic.
#ifndef FC_COUNTER_H
#define FC_COUNTER_H

#include <stddef.h>
#include <stdint.h>

// Only the owning worker: a load, an add and a store, no locked instruction.
static inline void fc_counter_add(uint64_t *c, uint64_t n)
{
	__atomic_store_n(c, __atomic_load_n(c, __ATOMIC_RELAXED) + n, __ATOMIC_RELEASE);
}

static inline void fc_counter_set(uint64_t *c, uint64_t n)
{
	__atomic_store_n(c, n, __ATOMIC_RELEASE);
}

// Takes over a counter that somebody else keeps in 32 bits and that wraps: adds what it has gained since `last`. Right
// as long as it is read once in 2^32 counts. Only the owning worker.
static inline void fc_counter_extend(uint64_t *c, uint32_t *last, uint32_t now)
{
	fc_counter_add(c, now - *last);
	*last = now;
}

// Any thread.
static inline uint64_t fc_counter_read(const uint64_t *c)
{
	return __atomic_load_n(c, __ATOMIC_ACQUIRE);
}

// Copies `count` counters, the last one first: the structures name what comes in before what goes out, so a copy taken
// while the worker runs never shows more going out than came in.
static inline void fc_counters_copy(uint64_t *to, const uint64_t *from, size_t count)
{
	while (count-- > 0)
		to[count] = fc_counter_read(&from[count]);
}

#endif
