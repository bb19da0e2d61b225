// Snapshots of a worker's counters while it counts: never more goes out of a hop than came in, and nothing goes back.
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#include "dataplane.h"
#include "stats/counter.h"

enum { READERS = 2, ROUNDS = 300000 };

static struct fc_tx_counters counters;
static atomic_bool done;

static void *read_them(void *arg)
{
	struct fc_tx_counters last = {0};

	while (!atomic_load(&done)) {
		struct fc_tx_counters seen;

		fc_counters_copy((uint64_t *)&seen, (const uint64_t *)&counters, sizeof seen / sizeof(uint64_t));
		assert(seen.in >= seen.kafka_in + seen.refused);
		assert(seen.kafka_in >= seen.delivered + seen.failed);
		assert(seen.failed >= seen.abandoned);
		assert(seen.in >= last.in && seen.delivered >= last.delivered && seen.failed >= last.failed);
		last = seen;
	}
	return arg;
}

int main(void)
{
	pthread_t readers[READERS];
	unsigned k;

	for (k = 0; k < READERS; k++)
		assert(pthread_create(&readers[k], NULL, read_them, NULL) == 0);
	for (k = 0; k < ROUNDS; k++) {
		fc_counter_add(&counters.in, 8);
		fc_counter_set(&counters.held, 8);
		fc_counter_add(&counters.refused, 1);
		fc_counter_add(&counters.kafka_in, 7);
		fc_counter_set(&counters.held, 0);
		fc_counter_add(&counters.delivered, 5);
		fc_counter_add(&counters.failed, 2);
		fc_counter_add(&counters.abandoned, 1);
	}
	atomic_store(&done, true);
	for (k = 0; k < READERS; k++)
		pthread_join(readers[k], NULL);
	assert(fc_counter_read(&counters.in) == (uint64_t)8 * ROUNDS);
	return 0;
}
