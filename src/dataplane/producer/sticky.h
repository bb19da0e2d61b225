// The sticky partitioner: all packets go to one partition until its batch is full or old, then to the next. Large
// batches cost the least on both sides; spreading single packets would make every batch small.
#ifndef FC_STICKY_H
#define FC_STICKY_H

#include <stdint.h>

struct fc_sticky {
	// Set before the start.
	int32_t partitions;
	uint32_t messages_max;
	uint64_t bytes_max;
	uint64_t age_ns_max;

	int32_t partition; // the current one
	uint32_t messages;
	uint64_t bytes;
	uint64_t since_ns; // when the batch began
};

// The partition of a packet of `bytes` that is sent at `now_ns` (any clock that does not step).
int32_t fc_sticky_partition(struct fc_sticky *s, uint32_t bytes, uint64_t now_ns);

#endif
