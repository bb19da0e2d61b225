// A device's clock, in ticks, as Unix time.
//
// A device counts with a crystal of its own, which is some parts per million fast or slow and drifts with temperature.
// About once a second the control thread reads both clocks; from that comes a straight line from ticks to nanoseconds
// for the next second. A line begins where the one before it has got to and is a little steeper or flatter, so that
// times never jump and never run backwards, except when the system clock itself has stepped. Rx workers use the newest
// line without a lock.
#ifndef FC_TICKS_H
#define FC_TICKS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	FC_TICKS_LINES = 8,    // a reader may be off its core for as many samples before its line is written again
	FC_TICKS_SAMPLES = 16, // the rate is measured over as many samples
};

// An error beyond this is a step of the system clock, and followed at once.
#define FC_TICKS_STEP_NS INT64_C(1000000)

struct fc_ticks_line {
	uint64_t ticks;
	uint64_t ns;       // Unix epoch, at `ticks`
	uint64_t ns_ticks; // nanoseconds a tick, times 2^FC_TICKS_SHIFT
};

enum { FC_TICKS_SHIFT = 40 };

struct fc_ticks_sample {
	uint64_t ticks, ns;
};

struct fc_ticks {
	// Writer: control thread; readers: rx workers.
	struct fc_ticks_line lines[FC_TICKS_LINES];
	atomic_uint line; // the newest

	// Control thread only: the last samples since the beginning or a step, oldest first.
	struct fc_ticks_sample samples[FC_TICKS_SAMPLES];
	unsigned count;
};

// Takes a pair of readings, `ns` being Unix time when the device's clock stood at `ticks`. The first two (some tens of
// milliseconds apart) set the clock up, the others correct it. Returns whether the system clock was found to have
// stepped. Control thread.
bool fc_ticks_sample(struct fc_ticks *t, uint64_t ticks, uint64_t ns);

// Whether there is a line yet. Any thread.
static inline bool fc_ticks_ready(const struct fc_ticks *t)
{
	return t->lines[atomic_load_explicit(&t->line, memory_order_acquire)].ns_ticks != 0;
}

// Unix time at `ticks`, which may be somewhat before the last sample. Any thread.
uint64_t fc_ticks_ns(const struct fc_ticks *t, uint64_t ticks);

// Frequency of the device's clock in Hz, 0 before there is one. Control thread.
uint64_t fc_ticks_hz(const struct fc_ticks *t);

#endif
