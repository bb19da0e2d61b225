// Producer: direct. The tx worker appends each packet straight into a Kafka record batch and sends Produce requests
// over its own sockets: no client library, no second queue, no other thread.
//
// C does the mechanism; the control side in Python connects, authenticates, finds leaders and gets producer ids. They
// talk through mailboxes, so that neither waits for the other.
#ifndef FC_DIRECT_H
#define FC_DIRECT_H

#include <stdbool.h>
#include <stdint.h>

#include "producer.h"
#include "topic.h"
#include "transport.h"

struct fc_spill_directory;

// A direct producer for tx worker number `worker`, or NULL with fc_error(). `config`, `topic` and `spill` (NULL: none)
// are borrowed until it is closed. Control thread.
struct fc_producer *fc_producer_direct(const struct fc_pipeline_config *config, const struct fc_producer_place *place,
	const struct fc_topic *topic, struct fc_spill_directory *spill, struct fc_tx_counters *counters,
	struct fc_events *events);

// The mailboxes. Control thread; false: nothing is asked, or the worker has not collected the last letters yet.
bool fc_direct_next_ask(struct fc_producer *p, struct fc_direct_ask *ask);
bool fc_direct_give_identity(struct fc_producer *p, int64_t producer_id, int16_t epoch);
// Takes the transport when it returns true.
bool fc_direct_give_connection(struct fc_producer *p, int32_t node, struct fc_transport *transport, int16_t version);

#endif
