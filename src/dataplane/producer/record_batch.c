#include "record_batch.h"

#include <isa-l/crc.h>

// Where the fields of a batch's header are, and what the CRC begins with.
enum {
	AT_LENGTH = 8,
	AT_MAGIC = 16,
	AT_CRC = 17,
	AT_ATTRIBUTES = 21,
	AT_BASE_CREATE = 27,
	AT_MAX_CREATE = 35,
	AT_PRODUCER = 43,
	AT_RECORDS = 57,
};

enum {
	HEADERS = 5,
	// For each of the five one byte for either length, the name, the value. The interface's name and what its
	// length takes come on top.
	HEADERS_FIXED_BYTES = (1 + 2) + (2 + 1 + 2) + (2 + 3 + 8) + (2 + 2 + 8) + (2 + 3 + 4),
};

uint32_t fc_record_headers_bytes(const struct fc_message_headers *h)
{
	return HEADERS_FIXED_BYTES + fc_varint_bytes((uint64_t)h->interface_bytes << 1) + h->interface_bytes;
}

static uint8_t *put_name(uint8_t *to, const char *name, uint32_t name_bytes)
{
	to = fc_put_u8(to, (uint8_t)(name_bytes << 1));
	memcpy(to, name, name_bytes);
	return to + name_bytes;
}

void fc_record_headers_write(uint8_t *to, const struct fc_message_headers *h)
{
	to = fc_put_u8(to, HEADERS << 1);
	to = put_name(to, "if", 2);
	to = fc_put_varint(to, (uint64_t)h->interface_bytes << 1);
	memcpy(to, h->interface, h->interface_bytes);
	to += h->interface_bytes;
	to = fc_put_u8(put_name(to, "q", 1), sizeof h->queue << 1);
	to = fc_put_u16(to, h->queue);
	to = fc_put_u8(put_name(to, "seq", 3), sizeof h->sequence << 1);
	to = fc_put_u64(to, h->sequence);
	to = fc_put_u8(put_name(to, "ns", 2), sizeof h->time_ns << 1);
	to = fc_put_u64(to, h->time_ns);
	to = fc_put_u8(put_name(to, "len", 3), sizeof h->original_bytes << 1);
	fc_put_u32(to, h->original_bytes);
}

uint64_t fc_record_batch_bytes_max(const struct fc_record *r)
{
	uint64_t body = fc_record_body_bytes(r, 0, 0);

	return FC_RECORD_BATCH_HEADER_BYTES + fc_varint_bytes(body << 1) + body;
}

void fc_record_batch_open(struct fc_record_batch *b, uint8_t *memory, uint32_t capacity)
{
	*b = (struct fc_record_batch){.start = memory, .capacity = capacity, .bytes = FC_RECORD_BATCH_HEADER_BYTES};
}

void fc_record_batch_seal(struct fc_record_batch *b, enum fc_codec codec)
{
	uint8_t *to = b->start;

	to = fc_put_u64(to, 0);                        // base offset: the broker's to write
	to = fc_put_u32(to, b->bytes - AT_LENGTH - 4); // of what follows this field
	to = fc_put_u32(to, UINT32_MAX);               // partition leader epoch: unknown
	to = fc_put_u8(to, 2);                         // magic
	to = fc_put_u32(to, 0);                        // CRC
	to = fc_put_u16(to, (uint16_t)codec);          // attributes
	to = fc_put_u32(to, b->records - 1);           // last offset delta
	to = fc_put_u64(to, (uint64_t)b->base_create_ms);
	to = fc_put_u64(to, (uint64_t)b->max_create_ms);
	to = fc_put_u64(to, UINT64_MAX); // producer id, epoch and sequence: none
	to = fc_put_u16(to, UINT16_MAX);
	to = fc_put_u32(to, UINT32_MAX);
	fc_put_u32(to, b->records);
}

static uint32_t crc_of(const uint8_t *batch, uint32_t bytes)
{
	// isa-l neither inverts the first value nor the last one, as CRC32C does.
	return ~crc32_iscsi((uint8_t *)(uintptr_t)batch + AT_ATTRIBUTES, (int)(bytes - AT_ATTRIBUTES), UINT32_MAX);
}

void fc_record_batch_stamp(uint8_t *batch, uint32_t bytes, int64_t producer_id, int16_t epoch, int32_t base_sequence)
{
	uint8_t *to = batch + AT_PRODUCER;

	to = fc_put_u64(to, (uint64_t)producer_id);
	to = fc_put_u16(to, (uint16_t)epoch);
	fc_put_u32(to, (uint32_t)base_sequence);
	fc_put_u32(batch + AT_CRC, crc_of(batch, bytes));
}

uint32_t fc_record_batch_crc(const uint8_t *batch)
{
	return fc_get_u32(batch + AT_CRC);
}

bool fc_record_batch_load(struct fc_record_batch *b, uint32_t bytes)
{
	const uint8_t *from = b->start;

	if (bytes < FC_RECORD_BATCH_HEADER_BYTES || bytes > b->capacity ||
		fc_get_u32(from + AT_LENGTH) != bytes - AT_LENGTH - 4 || from[AT_MAGIC] != 2 ||
		fc_record_batch_crc(from) != crc_of(from, bytes))
		return false;
	b->bytes = bytes;
	b->records = fc_get_u32(from + AT_RECORDS);
	b->base_create_ms = (int64_t)fc_get_u64(from + AT_BASE_CREATE);
	b->max_create_ms = (int64_t)fc_get_u64(from + AT_MAX_CREATE);
	return b->records > 0;
}
