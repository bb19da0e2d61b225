#include "batch.h"

#include <assert.h>

enum { MIB = 1 << 20, RECORD_BYTES = 1000 };

// How many batches can be filled before one has to come back.
static unsigned usable(uint64_t buffer_bytes, uint32_t open)
{
	struct fc_batch_pool pool;
	unsigned count = 0;

	assert(fc_batch_pool_open(&pool, buffer_bytes, fc_batch_bytes(buffer_bytes, 1000000, open), RECORD_BYTES) == 0);
	while (fc_batch_take(&pool, RECORD_BYTES) != NULL)
		count++;
	fc_batch_pool_close(&pool);
	return count;
}

static void is_as_large_as_wanted_where_there_is_room(void)
{
	assert(fc_batch_bytes(64 * MIB, 1000000, 1) == 1000000);
	assert(fc_batch_bytes(64 * MIB, 1000000, 16) == 1000000);
}

// With fewer than partitions that are filled at once, each packet waits for the batch of another one to be
// acknowledged.
static void leaves_one_that_waits_for_each_that_is_open(void)
{
	uint32_t open;

	for (open = 1; open <= 16; open *= 2) {
		assert(usable(2 * MIB, open) >= 2 * open);
		assert(usable(4 * MIB, open) >= 2 * open);
		assert(usable(64 * MIB, open) >= 2 * open);
	}
}

static void keeps_a_worker_going_with_little_memory(void)
{
	assert(usable(MIB, 1) >= 8);
	assert(usable(8 * MIB, 1) >= 8);
	assert(usable(64 * MIB, 1) >= 8);
}

int main(void)
{
	is_as_large_as_wanted_where_there_is_room();
	leaves_one_that_waits_for_each_that_is_open();
	keeps_a_worker_going_with_little_memory();
	return 0;
}
