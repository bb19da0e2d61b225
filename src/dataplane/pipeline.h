// The pipeline as its own files see it; everybody else has dataplane.h.
#ifndef FC_PIPELINE_H
#define FC_PIPELINE_H

#include <stdatomic.h>

#include "clock_steps.h"
#include "dataplane.h"
#include "events.h"
#include "producer/spill_directory.h"
#include "producer/topic.h"
#include "ring/tx_ring.h"
#include "rx/rx_worker.h"
#include "source/source.h"
#include "tx/tx_worker.h"

enum { FC_SOURCES_MAX = 32 };

// One rx queue with all that hangs on it.
struct fc_lane {
	struct fc_rx_worker *rx; // owned, cache-line aligned
	struct rte_ring *ring;   // owned
	struct fc_tx_worker *tx; // owned, config.tx_workers of them
	uint16_t source;
};

struct fc_pipeline {
	struct fc_pipeline_config config; // its pointers: NULL or owned
	struct fc_source sources[FC_SOURCES_MAX];
	uint16_t source_count;
	struct fc_lane *lanes; // owned, one per rx queue of all sources
	uint16_t lane_count;
	struct fc_rx_budget budget;
	struct fc_topic topic;            // of the direct producers
	struct fc_spill_directory *spill; // owned, of the direct producers; NULL: none
	struct fc_events events;
	// Control thread only.
	struct fc_clock_steps clock;
	uint64_t clock_steps;
	int64_t watch_due_ns;       // monotonic
	atomic_bool stop;           // writer: control thread; readers: rx workers
	_Atomic int64_t give_up_ns; // monotonic; writer: control thread; readers: tx workers
};

// Rules for the lane's rx worker, which may run. The caller's; NULL with fc_error().
struct fc_rx_rules *fc_lane_rules(const struct fc_lane *lane, const char *filter, uint32_t snaplen);
// Has the log say how packets are filtered.
void fc_lane_say_how(struct fc_pipeline *p, const struct fc_rx_worker *w, const struct fc_rx_rules *rules);

#endif
