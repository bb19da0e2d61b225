// A producer writes packets to Kafka for one tx worker. It has its own connections and runs on that worker's thread.
#ifndef FC_PRODUCER_H
#define FC_PRODUCER_H

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#include "../dataplane.h"
#include "../events.h"
#include "broker_table.h"
#include "message_headers.h"

struct fc_producer;

struct fc_producer_ops {
	// Takes packets from the front of the burst, counting each as kafka_in or refused, and owns what it takes.
	// Returns how many; fewer than `n` when it is full: the caller keeps the rest and tries again after poll().
	uint16_t (*send_burst)(struct fc_producer *p, struct rte_mbuf **packets, uint16_t n);

	// Serves acknowledgements, never waits. Returns how many packets it settled.
	unsigned (*poll)(struct fc_producer *p);

	// Sends what is still collected and serves acknowledgements, for about `timeout_ms`. True when nothing is in
	// flight.
	bool (*flush)(struct fc_producer *p, int timeout_ms);

	// Gives up everything in flight: counts it as failed and abandoned. Returns when that is done.
	void (*abandon)(struct fc_producer *p);

	// Control thread, after the worker has ended. Frees the producer.
	void (*close)(struct fc_producer *p);
};

// Every producer begins with this.
struct fc_producer {
	const struct fc_producer_ops *ops;
	struct fc_tx_counters *counters; // of the tx worker; writer: its thread, through this producer
	struct fc_events *events;        // of the pipeline
	bool broken; // beyond repair: what it still takes, fails; writer and reader: the tx worker's thread
	struct fc_broker_table brokers; // writer: the tx worker's thread; readers: any
};

static inline uint64_t fc_producer_in_flight(const struct fc_producer *p)
{
	const struct fc_tx_counters *c = p->counters;

	return c->kafka_in + c->recovered - c->spilled - c->delivered - c->failed;
}

// Which tx worker a producer works for.
struct fc_producer_place {
	uint16_t worker;                  // among all tx workers
	uint16_t lane;                    // its rx queue, counted over all sources
	struct fc_message_headers origin; // what is the same in all its messages' headers; strings are borrowed
};

// A producer on librdkafka for a tx worker, or NULL with fc_error(). It connects in the background. The library's
// threads inherit the CPUs of the calling thread: call it from the control thread, never from a worker.
struct fc_producer *fc_producer_librdkafka(const struct fc_pipeline_config *config,
	const struct fc_producer_place *place, struct fc_tx_counters *counters, struct fc_events *events);

#endif
