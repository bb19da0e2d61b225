// Steps of the system clock: somebody set it, or it was corrected by more than it can be slewed.
//
// Unix time and time since boot run at the same rate, slewing included; their difference changes only by a step.
#ifndef FC_CLOCK_STEPS_H
#define FC_CLOCK_STEPS_H

#include <stdbool.h>
#include <stdint.h>

struct fc_clock_steps {
	bool known;
	int64_t difference_ns; // Unix time less time since boot
};

// A difference less than this is of the reading.
#define FC_CLOCK_STEP_NS INT64_C(1000000)

// Takes a reading of Unix time between two of the time since boot. Returns the step since the last reading,
// nanoseconds, or 0. A reading that was interrupted for longer than FC_CLOCK_STEP_NS says nothing. One thread.
int64_t fc_clock_steps_look(struct fc_clock_steps *c, int64_t boot_before_ns, int64_t unix_ns, int64_t boot_after_ns);

#endif
