#include "clock_steps.h"

#include <stdlib.h>

int64_t fc_clock_steps_look(struct fc_clock_steps *c, int64_t boot_before_ns, int64_t unix_ns, int64_t boot_after_ns)
{
	int64_t difference_ns = unix_ns - (boot_before_ns + (boot_after_ns - boot_before_ns) / 2);
	int64_t step_ns = difference_ns - c->difference_ns;

	if (boot_after_ns - boot_before_ns >= FC_CLOCK_STEP_NS)
		return 0;
	if (c->known && llabs(step_ns) < FC_CLOCK_STEP_NS)
		return 0;
	c->difference_ns = difference_ns;
	if (!c->known) {
		c->known = true;
		return 0;
	}
	return step_ns;
}
