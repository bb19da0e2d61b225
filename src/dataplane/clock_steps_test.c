#include "clock_steps.h"

#include <assert.h>
#include <stdlib.h>

enum { MS = 1000000 };

static int near(int64_t step_ns, int64_t expected_ns)
{
	return llabs(step_ns - expected_ns) <= MS;
}

int main(void)
{
	struct fc_clock_steps c = {0};
	const int64_t unix_ns = INT64_C(1795378433) * 1000 * MS, boot_ns = INT64_C(86400) * 1000 * MS;
	int64_t boot = boot_ns, wall = unix_ns;
	int k;

	// The first reading is the reference, whatever it is.
	assert(fc_clock_steps_look(&c, boot, wall, boot + 100) == 0);
	// Time passes, reading takes up to half of what counts: nothing.
	for (k = 0; k < 1000; k++) {
		boot += 20 * MS;
		wall += 20 * MS;
		assert(fc_clock_steps_look(&c, boot - k * 400, wall, boot + k * 500) == 0);
	}
	// Forward by 1.5 s, back by an hour: each once, to within the reading.
	wall += 1500 * (int64_t)MS;
	assert(near(fc_clock_steps_look(&c, boot, wall, boot + 200), 1500 * (int64_t)MS));
	assert(fc_clock_steps_look(&c, boot + MS, wall + MS, boot + MS) == 0);
	wall -= 3600000 * (int64_t)MS;
	assert(near(fc_clock_steps_look(&c, boot, wall, boot), -3600000 * (int64_t)MS));
	assert(fc_clock_steps_look(&c, boot, wall, boot) == 0);
	// Interrupted in the middle for a minute: nothing is known, nothing is counted, and the next reading is right.
	assert(fc_clock_steps_look(&c, boot, wall + 30000 * (int64_t)MS, boot + 60000 * (int64_t)MS) == 0);
	assert(fc_clock_steps_look(
		       &c, boot + 60000 * (int64_t)MS, wall + 60000 * (int64_t)MS, boot + 60000 * (int64_t)MS) == 0);
	// Many small ones below the threshold add up and are seen when they have.
	for (k = 1; k <= 10; k++)
		assert((fc_clock_steps_look(&c, boot, wall + k * (MS / 4), boot) != 0) == (k % 4 == 0));
	return 0;
}
