#include "record_split.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "compression.h"

enum { ROOM = 1 << 16, RECORDS = 61 };

static int64_t create_ms_of(uint32_t number)
{
	return 5000 + number % 7 * 100 - (int64_t)number; // to and fro
}

static void fill(struct fc_record_batch *b, uint32_t number)
{
	struct fc_record r = {
		.key_us = 1000 * number,
		.create_ms = create_ms_of(number),
		.value_bytes = 1 + number % 150,
	};
	uint8_t *value = fc_record_batch_append(b, &r);

	assert(value != NULL);
	memset(value, (int)number, r.value_bytes);
}

static uint64_t get(const uint8_t **at)
{
	uint64_t value = 0;
	unsigned shift = 0;

	for (; **at >= 0x80; shift += 7)
		value |= (uint64_t)(*(*at)++ & 0x7f) << shift;
	return value | (uint64_t)*(*at)++ << shift;
}

static int64_t signed_of(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

// The half is records `from` to `to` - 1 of fill(), and a batch of its own.
static void holds(const struct fc_record_batch *half, uint32_t from, uint32_t to)
{
	const uint8_t *at = half->start + FC_RECORD_BATCH_HEADER_BYTES;
	int64_t latest_ms = INT64_MIN;
	uint32_t k;

	assert(half->records == to - from);
	for (k = from; k < to; k++) {
		int64_t bytes = signed_of(get(&at)), create_ms, value_bytes;
		const uint8_t *end = at + bytes;

		assert(*at++ == 0);
		create_ms = half->base_create_ms + signed_of(get(&at));
		assert(create_ms == create_ms_of(k));
		latest_ms = create_ms > latest_ms ? create_ms : latest_ms;
		assert(signed_of(get(&at)) == k - from);
		assert(signed_of(get(&at)) == 8);
		assert(fc_get_u64(at) == 1000 * k);
		at += 8;
		value_bytes = signed_of(get(&at));
		assert(value_bytes == 1 + k % 150);
		assert(*at == (uint8_t)k && at[value_bytes - 1] == (uint8_t)k);
		at += value_bytes;
		assert(get(&at) == 0);
		assert(at == end);
	}
	assert(at == half->start + half->bytes);
	assert(half->max_create_ms == latest_ms);
}

static void too_little_room_is_noticed(const struct fc_record_batch *b)
{
	struct fc_record_batch first, second;
	uint32_t room = b->bytes / 4;
	uint8_t *memory = malloc(room), *enough = malloc(ROOM);

	assert(memory != NULL && enough != NULL);
	fc_record_batch_open(&first, enough, ROOM);
	fc_record_batch_open(&second, memory, room);
	assert(!fc_record_batch_split(b, &first, &second));
	free(memory);
	free(enough);
}

// Whatever is in a batch, nothing outside is touched: each byte of it is made another one, each length cut.
static void nonsense_is_noticed_or_harmless(const struct fc_record_batch *b)
{
	uint8_t *copy = malloc(b->bytes), *memory[2] = {malloc(b->bytes), malloc(b->bytes)};
	struct fc_record_batch broken = *b, first, second;
	uint32_t k;

	assert(copy != NULL && memory[0] != NULL && memory[1] != NULL);
	broken.start = copy;
	for (k = 0; k < 2 * (b->bytes - FC_RECORD_BATCH_HEADER_BYTES); k++) {
		uint32_t at = FC_RECORD_BATCH_HEADER_BYTES + k / 2;

		memcpy(copy, b->start, b->bytes);
		copy[at] ^= k % 2 ? 0xff : 0x80;
		broken.bytes = k % 3 ? b->bytes : at;
		fc_record_batch_open(&first, memory[0], b->bytes);
		fc_record_batch_open(&second, memory[1], b->bytes);
		(void)fc_record_batch_split(&broken, &first, &second);
	}
	free(copy);
	free(memory[0]);
	free(memory[1]);
}

static void halves_hold_all_records(enum fc_codec codec)
{
	uint8_t *memory[5];
	struct fc_record_batch b, first, second;
	struct fc_decompressor *d = fc_decompressor_create(codec);
	uint32_t k;

	assert(d != NULL);
	for (k = 0; k < 5; k++)
		assert((memory[k] = malloc(ROOM)) != NULL);
	fc_record_batch_open(&b, memory[0], ROOM);
	for (k = 0; k < RECORDS; k++)
		fill(&b, k);
	if (codec == FC_CODEC_NONE) {
		fc_record_batch_seal(&b, codec);
	} else {
		struct fc_compressor *c = fc_compressor_create(codec, 0, ROOM);

		assert(fc_record_batch_compress(c, &b, memory[1], ROOM));
		fc_compressor_close(c);
	}
	assert(!fc_record_batch_decompress(d, &b, memory[2], 300)); // too little room, and the next one works
	assert(fc_record_batch_decompress(d, &b, memory[2], ROOM));
	fc_record_batch_open(&first, memory[3], ROOM);
	fc_record_batch_open(&second, memory[4], ROOM);
	assert(fc_record_batch_split(&b, &first, &second));
	holds(&first, 0, RECORDS / 2);
	holds(&second, RECORDS / 2, RECORDS);
	too_little_room_is_noticed(&b);
	nonsense_is_noticed_or_harmless(&b);
	for (k = 0; k < 5; k++)
		free(memory[k]);
	fc_decompressor_close(d);
}

int main(void)
{
	halves_hold_all_records(FC_CODEC_NONE);
	halves_hold_all_records(FC_CODEC_LZ4);
	halves_hold_all_records(FC_CODEC_ZSTD);
	return 0;
}
