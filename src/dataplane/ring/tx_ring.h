// The tx ring between one rx worker and its tx workers: fixed size, and the one place where packets are dropped when
// Kafka is slower than the wire.
#ifndef FC_TX_RING_H
#define FC_TX_RING_H

#include <rte_ring.h>
#include <stdint.h>

// Makes a ring that holds exactly `size` packets (a power of two) on `numa_node`; one producer, and one consumer or
// several. NULL with fc_error(). Control thread; the caller frees it with rte_ring_free(), empty.
struct rte_ring *fc_tx_ring_create(uint32_t size, unsigned consumers, int numa_node);

#endif
