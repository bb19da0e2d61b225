// The order of one partition: its batches from sealing to the answer, and the sequence numbers by which a broker tells
// a batch that it has from one that is new (KIP-98, KIP-360). Pure: no socket, no clock. One tx worker's thread.
//
// A batch that comes back (error, lost connection) is sent again before those behind it. Nothing is sent while some are
// on their way and one has come back: what those become decides about the sequence numbers of all.
#ifndef FC_PARTITION_H
#define FC_PARTITION_H

#include <stdbool.h>
#include <stdint.h>

#include "batch.h"

// What a broker remembers of a producer in a partition is as long as this (ProducerStateEntry in Kafka's sources).
enum { FC_PARTITION_FLYING_MAX = 5 };

// Who sends: of a tx worker, valid in all partitions.
struct fc_identity {
	int64_t producer_id;
	int16_t epoch;
	uint32_t generation; // counts the identities of this worker; 0: none yet
};

struct fc_partition {
	struct fc_batch *open;        // being filled, or NULL
	struct fc_batch_list waiting; // sealed, in order
	struct fc_batch_list flying;  // in order
	unsigned flying_count;
	uint64_t sealed; // batches, ever

	struct fc_identity identity; // of this partition's sequence numbers; its epoch grows with each renewal
	int32_t next_sequence;
	bool known;    // the broker has written a batch of this identity
	bool returned; // a batch has come back: wait for all that are flying
	bool renew;    // a sequence number will never be used: from `gap` on, in a new epoch
	bool replace;  // from `gap` on, with a newer producer id
	uint64_t gap;  // order of the first batch that needs new numbers; those before it keep theirs
};

void fc_partition_init(struct fc_partition *p);

// Takes a sealed batch in; `current` is the worker's identity. The batch waits.
void fc_partition_add(struct fc_partition *p, struct fc_batch *batch, const struct fc_identity *current);

// The batch that may be sent now, or NULL; fc_partition_fly() when it is.
struct fc_batch *fc_partition_next(const struct fc_partition *p);
void fc_partition_fly(struct fc_partition *p, struct fc_batch *batch);

// Whether all batches before this one, which is flying, are settled.
bool fc_partition_is_first(const struct fc_partition *p, const struct fc_batch *batch);
// Whether one before it, lost or without valid numbers, makes it get new ones: a broker has to find it out of order.
bool fc_partition_is_behind_gap(const struct fc_partition *p, const struct fc_batch *batch);

// A flying batch is delivered: it belongs to the caller again. A broker writes without gaps, so those before it have
// been written too, whatever was said of them later: fc_partition_implied() takes such a waiting batch out, as long as
// there is one, else NULL.
void fc_partition_delivered(struct fc_partition *p, struct fc_batch *batch);
struct fc_batch *fc_partition_implied(struct fc_partition *p, uint64_t order);

// A flying batch is lost: it belongs to the caller again. It leaves a gap in the sequence.
void fc_partition_lost(struct fc_partition *p, struct fc_batch *batch);

// A flying batch waits again, in its place; before it goes out again, its numbers may need a remedy.
enum fc_partition_remedy {
	FC_REMEDY_NONE,    // the same numbers: the broker has it already, takes it now, or says that it cannot
	FC_REMEDY_RENEW,   // a new epoch
	FC_REMEDY_REPLACE, // a new producer id
};
void fc_partition_return(struct fc_partition *p, struct fc_batch *batch, enum fc_partition_remedy remedy);

// A flying batch was not written and waits again as two: its first half of records in `first`, the rest in `second`,
// sealed. The batch itself belongs to the caller again. False, and nothing has changed, when it was split too often.
bool fc_partition_split(
	struct fc_partition *p, struct fc_batch *batch, struct fc_batch *first, struct fc_batch *second);

// Whether the oldest waiting batch may be given up now: what is not known of it has to be known of those flying first.
bool fc_partition_may_expire(const struct fc_partition *p);

// Gives up the oldest waiting batch: it belongs to the caller again. Those behind it that were sent before have to go
// the same way: they may have been written, and in a new epoch they would be written twice.
struct fc_batch *fc_partition_expire(struct fc_partition *p);

// Whether nothing may be sent now, whoever leads the partition: something flying has to be answered first, or
// fc_partition_settle() has to be called.
bool fc_partition_is_held(const struct fc_partition *p);

// To be called when fc_partition_unsettled(): with nothing flying any more, renumbers what has to be, once all before
// it is settled: a batch that may have been written keeps its numbers, or it would be written twice. False when that
// needs a newer identity than `current`.
bool fc_partition_unsettled(const struct fc_partition *p);
bool fc_partition_settle(struct fc_partition *p, const struct fc_identity *current);

#endif
