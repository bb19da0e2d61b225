// A Kafka record batch, magic 2, as bytes (KIP-98; "Record Batch" in Kafka's message format documentation). Pure: no
// socket, no clock, no memory of its own. Any thread, one at a time for one batch.
//
//     fc_record_batch_open()  ->  fc_record_batch_append() ...  ->  fc_record_batch_seal()  ->  fc_record_batch_stamp()
#ifndef FC_RECORD_BATCH_H
#define FC_RECORD_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message_headers.h"
#include "wire.h"

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

enum {
	FC_RECORD_KEY_BYTES = 8,
	// What does not vary in size: attributes, length of the key, key, number of headers.
	FC_RECORD_FIXED_BYTES = 1 + 1 + FC_RECORD_KEY_BYTES + 1,
};

// A record's headers: how many bytes they take besides the one of their number; writes that number and them.
uint32_t fc_record_headers_bytes(const struct fc_message_headers *h);
void fc_record_headers_write(uint8_t *to, const struct fc_message_headers *h);

// The bytes of a record behind its own length; the deltas are zigzag.
static inline uint64_t fc_record_body_bytes(const struct fc_record *r, uint64_t create_delta, uint64_t offset_delta)
{
	uint64_t bytes = (uint64_t)FC_RECORD_FIXED_BYTES + fc_varint_bytes(create_delta) +
			 fc_varint_bytes(offset_delta) + fc_varint_bytes((uint64_t)r->value_bytes << 1) +
			 r->value_bytes;

	return r->headers == NULL ? bytes : bytes + fc_record_headers_bytes(r->headers);
}

// Writes all of a record but its value and returns where the value's `value_bytes` bytes go; the caller copies them
// there before the batch is sealed. NULL when the record does not fit: the batch is as it was. Inline because it is all
// that a packet costs besides its copy and its share of the CRC.
static inline uint8_t *fc_record_batch_append(struct fc_record_batch *b, const struct fc_record *r)
{
	uint32_t used = b->bytes, records = b->records;
	int64_t base_create_ms = records == 0 ? r->create_ms : b->base_create_ms;
	uint64_t create_delta = fc_zigzag((int64_t)((uint64_t)r->create_ms - (uint64_t)base_create_ms));
	uint64_t offset_delta = (uint64_t)records << 1;
	uint64_t body = fc_record_body_bytes(r, create_delta, offset_delta);
	uint64_t bytes = fc_varint_bytes(body << 1) + body;
	uint8_t *to = b->start + used, *value;

	if (bytes > b->capacity - used)
		return NULL;
	b->bytes = used + (uint32_t)bytes;
	b->records = records + 1;
	b->base_create_ms = base_create_ms;
	if (records == 0 || r->create_ms > b->max_create_ms)
		b->max_create_ms = r->create_ms;

	to = fc_put_varint(to, body << 1);
	to = fc_put_u8(to, 0); // attributes
	to = fc_put_varint(to, create_delta);
	to = fc_put_varint(to, offset_delta);
	to = fc_put_u8(to, FC_RECORD_KEY_BYTES << 1);
	to = fc_put_u64(to, r->key_us);
	value = fc_put_varint(to, (uint64_t)r->value_bytes << 1);
	if (r->headers == NULL)
		value[r->value_bytes] = 0;
	else
		fc_record_headers_write(value + r->value_bytes, r->headers);
	return value;
}

// Writes the batch's header for `codec`; producer id, epoch, sequence and CRC are fc_record_batch_stamp()'s.
// `b->bytes` and the records behind the header are final: compressed ones too.
void fc_record_batch_seal(struct fc_record_batch *b, enum fc_codec codec);

// Writes who sends the sealed batch of `bytes` bytes and its CRC32C. May be done again, for a new epoch or sequence.
void fc_record_batch_stamp(uint8_t *batch, uint32_t bytes, int64_t producer_id, int16_t epoch, int32_t base_sequence);

// The CRC32C that a stamped batch carries.
uint32_t fc_record_batch_crc(const uint8_t *batch);

// Takes over the sealed and stamped batch of `bytes` bytes that lies at `b->start`. False when its header does not fit
// that size, or its CRC32C its bytes.
bool fc_record_batch_load(struct fc_record_batch *b, uint32_t bytes);

#endif
