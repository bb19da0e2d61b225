#include "tx_ring.h"

#include <rte_errno.h>
#include <stdio.h>

#include "../error.h"

struct rte_ring *fc_tx_ring_create(uint32_t size, unsigned consumers, int numa_node)
{
	// Without EXACT_SZ a ring of 2,048 would hold 2,047.
	unsigned flags = RING_F_SP_ENQ | RING_F_EXACT_SZ | (consumers == 1 ? RING_F_SC_DEQ : 0);
	static unsigned number; // names are unique in a process
	char name[RTE_RING_NAMESIZE];
	struct rte_ring *ring;

	snprintf(name, sizeof name, "fc_tx_ring_%u", number++);
	ring = rte_ring_create(name, size, numa_node, flags);
	if (ring == NULL)
		fc_error(rte_errno, "cannot allocate a tx ring of %u packets: %s", size, rte_strerror(rte_errno));
	return ring;
}
