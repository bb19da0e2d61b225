#include "counter.h"

#include <assert.h>

// A day at 10 million packets a second is two hundred times around 32 bits.
static void test_a_counter_that_wraps_goes_on(void)
{
	uint64_t total = 0, step = 10 * 1000 * 1000 / 10, second;
	uint32_t last = 0, kernel = 0;

	for (second = 0; second < 24 * 60 * 60 * 10; second++) {
		kernel += (uint32_t)step;
		fc_counter_extend(&total, &last, kernel);
	}
	assert(total == step * 24 * 60 * 60 * 10);
	assert(total > 200 * (uint64_t)UINT32_MAX);
}

static void test_the_wrap_itself(void)
{
	uint64_t total = 0;
	uint32_t last = 0;

	fc_counter_extend(&total, &last, UINT32_MAX);
	assert(total == UINT32_MAX);
	fc_counter_extend(&total, &last, 4);
	assert(total == UINT32_MAX + UINT64_C(5));
	fc_counter_extend(&total, &last, 4);
	assert(total == UINT32_MAX + UINT64_C(5));
	fc_counter_extend(&total, &last, 3); // as far as it can go
	assert(total == 2 * (UINT64_C(1) << 32) + 3);
}

int main(void)
{
	test_a_counter_that_wraps_goes_on();
	test_the_wrap_itself();
	return 0;
}
