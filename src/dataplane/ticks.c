#include "ticks.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"

__extension__ typedef __int128 wide;

// No correction makes the clock faster or slower than this, in parts per million; 1 ms is taken in within two seconds.
enum { SLEW_PPM_MAX = 500 };

static uint64_t at(const struct fc_ticks_line *line, uint64_t ticks)
{
	int64_t elapsed = (int64_t)(ticks - line->ticks);

	return line->ns + (uint64_t)(int64_t)(((wide)elapsed * (wide)line->ns_ticks) >> FC_TICKS_SHIFT);
}

static const struct fc_ticks_line *newest(const struct fc_ticks *t)
{
	return &t->lines[atomic_load_explicit(&t->line, memory_order_acquire)];
}

static void publish(struct fc_ticks *t, uint64_t ticks, uint64_t ns, uint64_t ns_ticks)
{
	unsigned next = (atomic_load_explicit(&t->line, memory_order_relaxed) + 1) % FC_TICKS_LINES;

	t->lines[next] = (struct fc_ticks_line){.ticks = ticks, .ns = ns, .ns_ticks = ns_ticks};
	atomic_store_explicit(&t->line, next, memory_order_release);
}

static void keep(struct fc_ticks *t, uint64_t ticks, uint64_t ns)
{
	if (t->count == FC_TICKS_SAMPLES) {
		memmove(&t->samples[0], &t->samples[1], (FC_TICKS_SAMPLES - 1) * sizeof t->samples[0]);
		t->count--;
	}
	t->samples[t->count++] = (struct fc_ticks_sample){.ticks = ticks, .ns = ns};
}

// Between the oldest and the newest sample; 0 when the clock stood still or ran backwards.
static uint64_t measured_ns_ticks(const struct fc_ticks *t)
{
	const struct fc_ticks_sample *first = &t->samples[0], *last = &t->samples[t->count - 1];
	int64_t ticks = (int64_t)(last->ticks - first->ticks);
	int64_t ns = (int64_t)(last->ns - first->ns);

	return ticks <= 0 || ns <= 0 ? 0 : (uint64_t)(((wide)ns << FC_TICKS_SHIFT) / ticks);
}

// What is missing (or too much) now is taken in until the next sample, after about as long as since the last one.
static uint64_t corrected(uint64_t ns_ticks, int64_t error_ns, uint64_t interval_ns)
{
	int64_t limit_ns = (int64_t)(interval_ns / 1000000 * SLEW_PPM_MAX);

	if (error_ns > limit_ns)
		error_ns = limit_ns;
	if (error_ns < -limit_ns)
		error_ns = -limit_ns;
	return (uint64_t)((wide)ns_ticks * ((wide)interval_ns + error_ns) / (wide)interval_ns);
}

bool fc_ticks_sample(struct fc_ticks *t, uint64_t ticks, uint64_t ns)
{
	struct fc_ticks_sample before;
	uint64_t ns_ticks, reached;
	int64_t error_ns;

	if (t->count == 0) {
		keep(t, ticks, ns);
		if (newest(t)->ns_ticks != 0) // after a step: the crystal is still the same
			publish(t, ticks, ns, newest(t)->ns_ticks);
		return false;
	}
	before = t->samples[t->count - 1];
	if (!fc_ticks_ready(t)) {
		keep(t, ticks, ns);
		ns_ticks = measured_ns_ticks(t);
		if (ns_ticks != 0)
			publish(t, ticks, ns, ns_ticks);
		return false;
	}
	reached = at(newest(t), ticks);
	error_ns = (int64_t)(ns - reached);
	if (llabs(error_ns) > FC_TICKS_STEP_NS) {
		t->count = 0;
		fc_ticks_sample(t, ticks, ns);
		return true;
	}
	keep(t, ticks, ns);
	ns_ticks = measured_ns_ticks(t);
	if (ns_ticks != 0 && ns > before.ns)
		publish(t, ticks, reached, corrected(ns_ticks, error_ns, ns - before.ns));
	return false;
}

uint64_t fc_ticks_ns(const struct fc_ticks *t, uint64_t ticks)
{
	return at(newest(t), ticks);
}

uint64_t fc_ticks_hz(const struct fc_ticks *t)
{
	uint64_t ns_ticks = newest(t)->ns_ticks;

	return ns_ticks == 0 ? 0 : (uint64_t)(((wide)FC_NS_PER_S << FC_TICKS_SHIFT) / ns_ticks);
}
