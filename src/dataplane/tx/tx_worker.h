// A tx worker: takes bursts from its ring and hands them to its producer.
#ifndef FC_TX_WORKER_H
#define FC_TX_WORKER_H

#include <rte_ring.h>
#include <stdatomic.h>
#include <stdint.h>

#include "../dataplane.h"
#include "../producer/message_headers.h"
#include "../producer/producer.h"
#include "../thread.h"

enum { FC_TX_BURST_MAX = 4096 };

struct fc_tx_worker {
	// Set before the start, constant afterwards.
	struct rte_ring *ring;          // of the pipeline
	const struct fc_thread *feeder; // the ring's rx worker
	struct fc_producer *producer;   // owned
	uint16_t burst;
	uint16_t index; // among the workers of its ring
	bool backoff;
	const _Atomic int64_t *give_up_ns; // monotonic: end of the drain; writer: control thread

	struct fc_thread thread;
	atomic_bool failed; // its producer is beyond repair; writer: this worker; readers: any

	// Writer: this worker, also through its producer; readers: any.
	struct fc_tx_counters counters __rte_cache_aligned;
	uint64_t busy_cycles, total_cycles;
};

// The thread's main function; `arg` is a struct fc_tx_worker. Ends when the rx worker has ended, the ring is empty and
// everything is settled: acknowledged, failed, or given up when the drain's time was over.
void fc_tx_worker_main(void *arg);

#endif
