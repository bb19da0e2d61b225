// What a producer counts of each broker that it knows. A broker keeps its place, and none goes.
#ifndef FC_BROKER_TABLE_H
#define FC_BROKER_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "../stats/counter.h"

enum { FC_BROKERS_MAX = 256 };

// Writer: the tx worker; readers: any.
struct fc_broker_counters {
	uint64_t node;
	uint64_t connected; // 0 or 1
	// In the order that fc_counters_copy() wants: no answer is counted before its time is in the sum.
	uint64_t round_trip_ns;
	uint64_t answers;
};

struct fc_broker_table {
	uint64_t count; // of the rows in use, each of which was filled before it was counted
	struct fc_broker_counters rows[FC_BROKERS_MAX];
};

// The row of a broker, a new one if need be; NULL when the table is full. The worker.
static inline struct fc_broker_counters *fc_broker_table_row(struct fc_broker_table *t, int32_t node)
{
	uint64_t k;

	for (k = 0; k < t->count; k++)
		if (t->rows[k].node == (uint64_t)node)
			return &t->rows[k];
	if (k == FC_BROKERS_MAX)
		return NULL;
	fc_counter_set(&t->rows[k].node, (uint64_t)node);
	fc_counter_set(&t->count, k + 1);
	return &t->rows[k];
}

#endif
