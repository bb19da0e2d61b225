// Every error code that a Produce response can carry, and what the direct producer does about it
// (docs/direct-producer-errors.md has the same table in words).
#ifndef FC_PRODUCE_ERROR_H
#define FC_PRODUCE_ERROR_H

#include <stdint.h>

enum fc_produce_action {
	FC_PRODUCE_DELIVERED, // written: now, or by an earlier try (duplicate sequence)
	FC_PRODUCE_AGAIN,     // the same batch again to the same broker, after the back-off
	FC_PRODUCE_LEADER,    // the same batch again to the partition's leader, as soon as it is known
	FC_PRODUCE_SEQUENCE,  // out of order: again in order behind a batch that failed, else in a new epoch
	FC_PRODUCE_IDENTITY,  // this producer id or epoch is not valid any more: again, with a new producer id
	FC_PRODUCE_SMALLER,   // larger than the topic allows: again in two halves; a single record is lost
	FC_PRODUCE_REJECTED,  // this batch will never be taken: its packets are lost
};

struct fc_produce_error {
	int16_t code;
	enum fc_produce_action action;
	const char *name; // Kafka's own, as in its protocol guide
};

// The entry of a code; one that is not in the table has the action FC_PRODUCE_REJECTED and a name that says so. Any
// thread; never NULL.
const struct fc_produce_error *fc_produce_error(int16_t code);

#endif
