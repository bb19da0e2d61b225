// What the parts of the direct producer share: accumulate.c (packets into batches), route.c, deliver.c and answer.c
// (batches to brokers and back), direct.c (the producer that is made of them). All of it belongs to one tx worker's
// thread, mailboxes excepted.
#ifndef FC_DIRECT_STATE_H
#define FC_DIRECT_STATE_H

#include "batch.h"
#include "compression.h"
#include "connection.h"
#include "direct.h"
#include "mailbox.h"
#include "partition.h"
#include "record_split.h"
#include "spill.h"
#include "topic.h"

struct fc_broker;

enum fc_route_place {
	FC_ROUTE_IDLE,  // nothing waits
	FC_ROUTE_READY, // in its broker's list: the next batch may be sent
	FC_ROUTE_HELD,  // in the list of those held: for a leader, for the back-off, for what is flying
};

// A partition and the way to it.
struct fc_route {
	struct fc_partition order;
	TAILQ_ENTRY(fc_route) link; // of the list that `place` names
	enum fc_route_place place;
	struct fc_broker *broker; // its leader; NULL: none is known
	uint32_t generation;      // of the topic: it has to be a newer one before anything is sent
	int64_t retry_ns;         // monotonic: not before
	unsigned tries;           // in vain, in a row
};

TAILQ_HEAD(fc_route_list, fc_route);

struct fc_broker {
	int32_t node;
	struct fc_broker_counters *counters; // of the producer's table
	struct fc_connection connection;
	struct fc_transport *next; // replaces the connection's once nothing is in flight; owned
	int16_t next_version;
	struct fc_route_list ready;
	bool asked;                          // for a connection
	int64_t quiet_ns;                    // monotonic: it wants no requests before (quota)
	int64_t read_ns;                     // monotonic: the socket was looked at
	int64_t full_ns;                     // monotonic: it was offered the rest of a request
	char reason[FC_DIRECT_REASON_BYTES]; // why the last connection was lost
};

// Control side to worker.
struct fc_letter {
	enum { FC_LETTER_IDENTITY, FC_LETTER_CONNECTION } kind;
	int64_t producer_id;
	int16_t epoch;
	int32_t node;
	struct fc_transport *transport; // owned by whoever has the letter
	int16_t version;
};

struct fc_direct {
	struct fc_producer base; // first: the public part
	const struct fc_pipeline_config *config;
	const struct fc_topic *topic;
	struct fc_producer_place place;
	struct fc_mailbox letters; // struct fc_letter; writer: control side
	struct fc_mailbox asks;    // struct fc_direct_ask; writer: this worker

	// Accumulating.
	struct fc_batch_pool pool;
	struct fc_compressor *compressor; // NULL: none
	struct fc_decompressor *decompressor;
	struct fc_batch_list open; // the oldest first
	uint32_t batch_bytes_max;  // of the topic
	int32_t sticky;            // the partition that is filled now
	int64_t linger_tick_ns;    // monotonic: batches behind one that stays open are looked at then

	struct fc_spill *spill; // owned; NULL: none

	// Delivering.
	struct fc_route *routes; // FC_PARTITIONS_MAX, zero pages until they are used
	int32_t partitions;      // of those in use
	struct fc_route_list held;
	struct fc_route *splitting; // whose halves may use the batches that are kept for them
	struct fc_broker *brokers;  // FC_BROKERS_MAX
	unsigned broker_count;
	struct fc_identity identity;
	bool identity_asked;
	uint32_t generation; // of the topic, as far as this worker has followed
	bool topic_asked;    // for one newer than that
	int64_t now_ns;      // monotonic: of this round
	int64_t tick_ns, expiry_ns;
	uint64_t settled; // packets, in this round
	uint32_t random;
	int16_t said_error; // the last one that was worth a line, and when
	int64_t said_ns;
};

// accumulate.c: takes packets from the front of a burst, as fc_producer_ops.send_burst.
uint16_t fc_accumulate(struct fc_direct *d, struct rte_mbuf **packets, uint16_t n);
// Seals the records of a batch, compressed if that is wanted and makes them smaller.
void fc_accumulate_seal(struct fc_direct *d, struct fc_batch *batch);
// Seals the batches that have waited for `linger_us` and can be sent; all of them when `all`.
void fc_accumulate_linger(struct fc_direct *d, bool all);

// deliver.c: follows the first publication of the topic; later ones are followed by fc_deliver_round().
void fc_deliver_begin(struct fc_direct *d);
// A sealed batch is on its way from here on, or queued for the disk.
void fc_deliver(struct fc_direct *d, struct fc_batch *batch);
// A sealed batch that nothing is queued before gets its sequence number and is on its way.
void fc_deliver_admit(struct fc_direct *d, struct fc_batch *batch);
// One round: letters, answers, what has to be sent (again), time-outs.
void fc_deliver_round(struct fc_direct *d);
// Gives up every batch that is sealed.
void fc_deliver_abandon(struct fc_direct *d);

#endif
