// Any bytes as librdkafka's statistics.
#include <stdint.h>

#include "producer/library_stats.h"

#include "expect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *json = copy_of(data, size);
	uint64_t sum = fc_library_stats_sum((const char *)json, size, "tx");

	// Without a digit there is nothing to add up.
	if (sum != 0) {
		bool digit = false;

		for (size_t k = 0; k < size; k++)
			digit = digit || (json[k] >= '1' && json[k] <= '9');
		expect(digit);
	}
	free(json);
	return 0;
}
