// Numbers out of librdkafka's statistics (a JSON text, STATISTICS.md of that project). Pure bytes.
#ifndef FC_LIBRARY_STATS_H
#define FC_LIBRARY_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The sum of all members called `name` with an unsigned number, wherever they are: one per broker.
uint64_t fc_library_stats_sum(const char *json, size_t length, const char *name);

// A broker of the cluster; what is counted is since the statistics before.
struct fc_library_broker {
	int32_t node;
	bool connected;
	uint64_t round_trip_us; // sum over ..
	uint64_t answers;       // to requests of every kind
};

// The next broker that has a node id, from `*at` on, which moves behind it. False: there is none.
bool fc_library_stats_broker(const char **at, const char *end, struct fc_library_broker *broker);

#endif
