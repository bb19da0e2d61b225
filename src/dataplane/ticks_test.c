#include "ticks.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"

#define START_NS (UINT64_C(1795378433) * 1000000000)

// A crystal: `hz` nominally, wrong by `ppm`, that wanders by `wander_ppm` over a quarter of an hour and back.
struct crystal {
	double hz, ppm, wander_ppm;
	uint64_t offset;
};

static uint64_t ticks_at(const struct crystal *c, double seconds)
{
	double period = 900, half = period / 2, phase = fmod(seconds, period);
	// Seconds that the wandering, a triangle between 0 and 1, adds up to.
	double rising = phase * phase / period;
	double falling = half / 2 + 2 * (phase - half) - (phase * phase - half * half) / period;
	double wandered = (seconds - phase) / 2 + (phase < half ? rising : falling);

	return c->offset + (uint64_t)(c->hz * (seconds * (1 + c->ppm * 1e-6) + wandered * c->wander_ppm * 1e-6));
}

// Reading both clocks takes a while: `ns` is off by up to `jitter_ns`.
static uint64_t jittered(double seconds, int jitter_ns)
{
	return START_NS + (uint64_t)(seconds * 1e9) + (uint64_t)(rand() % (2 * jitter_ns + 1) - jitter_ns);
}

// Follows a crystal for half an hour. Returns the largest error after the first `settle` seconds; times never go back.
static int64_t worst_error(const struct crystal *c, int jitter_ns, int settle)
{
	static struct fc_ticks t;
	int64_t worst = 0;
	uint64_t last = 0;
	int second, part;

	t = (struct fc_ticks){0};
	assert(!fc_ticks_ready(&t));
	assert(!fc_ticks_sample(&t, ticks_at(c, 0), jittered(0, jitter_ns)));
	assert(!fc_ticks_ready(&t) && fc_ticks_hz(&t) == 0);
	assert(!fc_ticks_sample(&t, ticks_at(c, 0.1), jittered(0.1, jitter_ns)));
	assert(fc_ticks_ready(&t));
	for (second = 1; second < 1800; second++) {
		for (part = 1; part <= 8; part++) {
			double now = second - 1 + (second == 1 ? 0.1 : 0) + part * (second == 1 ? 0.9 : 1) / 8;
			uint64_t ns = fc_ticks_ns(&t, ticks_at(c, now));
			int64_t error = (int64_t)(ns - START_NS) - (int64_t)(now * 1e9);

			assert(ns >= last);
			last = ns;
			if (second > settle && llabs(error) > worst)
				worst = llabs(error);
		}
		assert(!fc_ticks_sample(&t, ticks_at(c, second), jittered(second, jitter_ns)));
	}
	return worst;
}

static void check_bound(const char *what, struct crystal c, int jitter_ns, int settle, int64_t bound_ns)
{
	int64_t worst = worst_error(&c, jitter_ns, settle);

	fprintf(stderr, "%s: at most %lld ns off\n", what, (long long)worst);
	assert(worst <= bound_ns);
}

static void test_step(void)
{
	static struct fc_ticks t;
	uint64_t before, after;

	t = (struct fc_ticks){0};
	fc_ticks_sample(&t, 1000000, START_NS);
	fc_ticks_sample(&t, 101000000, START_NS + FC_NS_PER_S / 10);
	assert(fc_ticks_hz(&t) == 1000000000);
	// Packets from before the last sample.
	assert(fc_ticks_ns(&t, 100999000) == START_NS + FC_NS_PER_S / 10 - 1000);

	// The system clock goes back by three seconds: times follow by exactly that, and no further.
	before = fc_ticks_ns(&t, 1101000000);
	assert(fc_ticks_sample(&t, 1101000000, START_NS + FC_NS_PER_S * 11 / 10 - 3 * FC_NS_PER_S));
	after = fc_ticks_ns(&t, 1101000000);
	assert(before - after == 3 * FC_NS_PER_S);
	assert(fc_ticks_hz(&t) == 1000000000);
	// And is followed as before from there on.
	assert(!fc_ticks_sample(&t, 2101000000, START_NS + FC_NS_PER_S * 21 / 10 - 3 * FC_NS_PER_S));
	assert(fc_ticks_ns(&t, 2101000000) == START_NS + FC_NS_PER_S * 21 / 10 - 3 * FC_NS_PER_S);

	// Half a millisecond (a slew of the system clock) is taken in without a jump.
	assert(!fc_ticks_sample(&t, 3101000000, START_NS + FC_NS_PER_S / 10 + 500000));
	assert(fc_ticks_ns(&t, 3101000000) == START_NS + FC_NS_PER_S / 10);
	assert(llabs((int64_t)(fc_ticks_ns(&t, 4101000000) - (START_NS + FC_NS_PER_S * 11 / 10 + 500000))) < 300000);
}

// A clock that stands still, or is read twice at once, sets nothing up and breaks nothing.
static void test_still(void)
{
	static struct fc_ticks t;
	int k;

	t = (struct fc_ticks){0};
	for (k = 0; k < 3 * FC_TICKS_SAMPLES; k++)
		assert(!fc_ticks_sample(&t, 7, START_NS + (uint64_t)k * FC_NS_PER_S));
	assert(!fc_ticks_ready(&t));
	fc_ticks_sample(&t, 7 + 1000000, START_NS + (uint64_t)k * FC_NS_PER_S);
	assert(fc_ticks_ready(&t));
	fc_ticks_sample(&t, 7 + 1000000, START_NS + (uint64_t)k * FC_NS_PER_S);
}

int main(void)
{
	srand(1);
	check_bound("a perfect crystal", (struct crystal){.hz = 1e9}, 0, 0, 2);
	check_bound("78.125 MHz, 100 ppm fast", (struct crystal){.hz = 78.125e6, .ppm = 100}, 0, 0, 30);
	// 10 us of jitter over the first 0.1 s is 200 ppm at worst, for a second.
	check_bound("100 ppm slow, read 10 us off", (struct crystal){.hz = 1e9, .ppm = -100}, 10000, 0, 220000);
	check_bound("the same, settled", (struct crystal){.hz = 1e9, .ppm = -100}, 10000, 10, 20000);
	check_bound(
		"read 500 ns off, settled", (struct crystal){.hz = 1e9, .ppm = 30, .wander_ppm = 20}, 500, 10, 3000);
	// Any number as a beginning, the end of 64 bits within the first minute among them.
	check_bound("wraps", (struct crystal){.hz = 1e9, .ppm = 5, .offset = UINT64_MAX - 60000000000}, 0, 0, 30);
	test_step();
	test_still();
	return 0;
}
