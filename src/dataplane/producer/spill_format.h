// The bytes of a segment, which is a file of spilled record batches: a head that says whose they are, then for each
// batch a head and the batch as it was sealed. Pure: no file, no clock. docs/spill.md has the layout as a table.
//
// Integers are in network byte order, and every head has a CRC32C of its own; a batch brings its own.
#ifndef FC_SPILL_FORMAT_H
#define FC_SPILL_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

enum {
	FC_SPILL_VERSION = 1,
	FC_SPILL_TOPIC_BYTES_MAX = 249, // Kafka's limit
	FC_SPILL_SEGMENT_HEAD_BYTES = 272,
	FC_SPILL_BATCH_HEAD_BYTES = 40,
	// Where in the head of a batch those bytes are that are written once it is settled; no CRC covers them.
	FC_SPILL_AT_DONE = 36,
	FC_SPILL_DONE_BYTES = 4,
};

extern const uint8_t fc_spill_done[FC_SPILL_DONE_BYTES];

struct fc_spill_batch_head {
	int32_t partition;
	uint32_t bytes;   // of the batch that follows
	uint32_t packets; // in it
	uint32_t crc;     // its own CRC32C: a head never speaks for another batch
	uint64_t number;  // in its segment, from 0
	bool done;        // settled: not to be replayed
};

// Writes FC_SPILL_SEGMENT_HEAD_BYTES. `topic` has at most FC_SPILL_TOPIC_BYTES_MAX bytes.
void fc_spill_segment_head_write(uint8_t *to, const char *topic);
// The topic, NUL-terminated, in `from`; NULL when this is not the whole head of a segment.
const char *fc_spill_segment_head_read(const uint8_t *from);

// Writes FC_SPILL_BATCH_HEAD_BYTES.
void fc_spill_batch_head_write(uint8_t *to, const struct fc_spill_batch_head *head);
// False when this is not the whole head of a batch.
bool fc_spill_batch_head_read(const uint8_t *from, struct fc_spill_batch_head *head);

#endif
