// The partition of a packet, where it is the packet's own matter (`--partition flow|queue|key`); sticky is the
// producer's.
#ifndef FC_PARTITIONER_H
#define FC_PARTITIONER_H

#include <rte_mbuf.h>
#include <stdint.h>

#include "../dataplane.h"

// In 0 .. partitions - 1. `lane` is the number of the packet's rx queue over all sources. Any thread.
int32_t fc_partition_choose(
	enum fc_partition_choice choice, const struct rte_mbuf *m, uint64_t key_us, uint16_t lane, int32_t partitions);

#endif
