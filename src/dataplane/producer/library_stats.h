// Numbers out of librdkafka's statistics (a JSON text, STATISTICS.md of that project). Pure bytes.
#ifndef FC_LIBRARY_STATS_H
#define FC_LIBRARY_STATS_H

#include <stddef.h>
#include <stdint.h>

// The sum of all members called `name` with an unsigned number, wherever they are: one per broker.
uint64_t fc_library_stats_sum(const char *json, size_t length, const char *name);

#endif
