// The rx worker of one queue: fetch, stamp, filter, number, cut, enqueue.
#ifndef FC_RX_WORKER_H
#define FC_RX_WORKER_H

#include <rte_ring.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../dataplane.h"
#include "../source/source.h"
#include "../thread.h"
#include "rules.h"

enum {
	FC_RX_BURST_MAX = 512,
	FC_RX_ATTEMPTS_MAX = 16,
};

// How many more packets are wanted (--count), shared by all rx workers.
struct fc_rx_budget {
	bool limited;
	_Atomic uint64_t left; // writers: rx workers; 0: all workers end
};

struct fc_rx_worker {
	// Set before the start, constant afterwards.
	struct fc_source *source;
	uint16_t queue;
	uint16_t burst, attempts;
	struct rte_ring *ring; // of the pipeline; this worker is its only producer
	struct fc_rx_budget *budget;
	const atomic_bool *stop; // writer: control thread

	struct fc_thread thread;
	atomic_bool failed; // writer: this worker; readers: any
	uint64_t sequence;  // of the next wanted packet, without the source's losses; this worker only

	// Owned; set before the start, then this worker's only, until it has ended. `next`: other rules that the source
	// has turned to, while there are still packets that came under the old ones; NULL otherwise.
	struct fc_rx_rules *rules, *next;
	struct fc_rx_rules_desk desk __rte_cache_aligned;

	// Writer: this worker; readers: any.
	struct fc_rx_counters counters __rte_cache_aligned;
	uint64_t busy_cycles, total_cycles;
	uint64_t longest_cycles; // from the end of one round to the end of the next
};

// The thread's main function; `arg` is a struct fc_rx_worker. Ends when the source ends or fails, the budget is used up
// or *stop is set and what had arrived before is in the ring.
void fc_rx_worker_main(void *arg);

#endif
