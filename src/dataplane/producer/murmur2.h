// The hash by which Kafka's own clients choose a partition for a key: murmur2, 32 bits, with their seed. Any thread.
#ifndef FC_MURMUR2_H
#define FC_MURMUR2_H

#include <stddef.h>
#include <stdint.h>

uint32_t fc_murmur2(const uint8_t *data, size_t bytes);

// The partition of a key among `partitions` (at least 1), as the Java client's default partitioner has it: the sign bit
// is dropped, then the remainder.
static inline int32_t fc_murmur2_partition(const uint8_t *key, size_t bytes, int32_t partitions)
{
	return (int32_t)(fc_murmur2(key, bytes) & INT32_MAX) % partitions;
}

#endif
