// A Kafka record batch, magic 2, as bytes (KIP-98; "Record Batch" in Kafka's message format documentation). Pure: no
// socket, no clock, no memory of its own. Any thread, one at a time for one batch.
//
//     fc_record_batch_open()  ->  fc_record_batch_append() ...  ->  fc_record_batch_seal()  ->  fc_record_batch_stamp()
#ifndef FC_RECORD_BATCH_H
#define FC_RECORD_BATCH_H

#include <stdint.h>

#include "message_headers.h"

enum { FC_RECORD_BATCH_HEADER_BYTES = 61 };

// The low three bits of a batch's attributes.
enum fc_codec { FC_CODEC_NONE = 0, FC_CODEC_LZ4 = 3, FC_CODEC_ZSTD = 4 };

struct fc_record_batch {
	uint8_t *start;         // borrowed
	uint32_t capacity;      // bytes at `start`
	uint32_t bytes;         // used, the header's 61 among them
	uint32_t records;       // appended
	int64_t base_create_ms; // of the first record
	int64_t max_create_ms;
};

struct fc_record {
	uint64_t key_us;   // the key: receive time, microseconds since the Unix epoch
	int64_t create_ms; // CreateTime
	uint32_t value_bytes;
	const struct fc_message_headers *headers; // NULL: none
};

// Begins an empty batch in `memory`; `capacity` is FC_RECORD_BATCH_HEADER_BYTES to INT32_MAX.
void fc_record_batch_open(struct fc_record_batch *b, uint8_t *memory, uint32_t capacity);

// The bytes that a batch with this one record takes, not compressed. What exceeds the topic's max.message.bytes can
// never be sent.
uint64_t fc_record_batch_bytes_max(const struct fc_record *r);

// Writes all of a record but its value and returns where the value's `value_bytes` bytes go; the caller copies them
// there before the batch is sealed. NULL when the record does not fit: the batch is as it was.
uint8_t *fc_record_batch_append(struct fc_record_batch *b, const struct fc_record *r);

// Writes the batch's header for `codec`; producer id, epoch, sequence and CRC are fc_record_batch_stamp()'s.
// `b->bytes` and the records behind the header are final: compressed ones too.
void fc_record_batch_seal(struct fc_record_batch *b, enum fc_codec codec);

// Writes who sends the sealed batch of `bytes` bytes and its CRC32C. May be done again, for a new epoch or sequence.
void fc_record_batch_stamp(uint8_t *batch, uint32_t bytes, int64_t producer_id, int16_t epoch, int32_t base_sequence);

#endif
