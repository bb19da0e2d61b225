// A batch of any records, compressed or not, is taken apart into halves down to single records, which are those that
// went in; and any bytes as a batch are taken apart or refused. The first byte chooses.
#include <stdint.h>

#include "producer/compression.h"
#include "producer/record_split.h"

#include "expect.h"

enum { ROOM = 1 << 16, VALUE_BYTES_MAX = 255, DEPTH_MAX = 16 };

static const enum fc_codec codecs[] = {FC_CODEC_NONE, FC_CODEC_LZ4, FC_CODEC_ZSTD};
enum { CODECS = sizeof codecs / sizeof codecs[0] };

// What the records of an input say, in order: a byte of length, a byte that moves the time to and fro, the value.
struct records {
	const uint8_t *at, *end;
	int64_t time_ms;
};

static bool next_record(struct records *r, struct fc_record *record, const uint8_t **value)
{
	if (r->end - r->at < 2)
		return false;
	record->value_bytes = r->at[0];
	r->time_ms += (int8_t)r->at[1] * INT64_C(100003);
	record->create_ms = r->time_ms;
	record->key_us = (uint64_t)r->time_ms * 1000;
	r->at += 2;
	if (record->value_bytes > r->end - r->at)
		record->value_bytes = (uint32_t)(r->end - r->at);
	*value = r->at;
	r->at += record->value_bytes;
	return true;
}

static void seal(struct fc_record_batch *b, struct fc_compressor *compressor, uint8_t *memory)
{
	if (compressor == NULL || !fc_record_batch_compress(compressor, b, memory, ROOM))
		fc_record_batch_seal(b, FC_CODEC_NONE);
}

// Halves of halves; single records have to be the next of `left`.
static void take_apart(struct fc_record_batch b, enum fc_codec codec, struct records *left, unsigned depth)
{
	struct fc_compressor *compressor = codec == FC_CODEC_NONE ? NULL : fc_compressor_create(codec, 0, ROOM);
	struct fc_decompressor *decompressor = fc_decompressor_create(codec);
	uint8_t *plain = malloc(ROOM), *memory[4];
	struct fc_record_batch halves[2];
	uint32_t records = b.records;

	expect(plain != NULL && decompressor != NULL && depth < DEPTH_MAX);
	expect(fc_record_batch_decompress(decompressor, &b, plain, ROOM));
	if (records == 1) {
		struct fc_record record = {0};
		const uint8_t *value, *at = b.start + b.bytes - 1;

		expect(next_record(left, &record, &value) && b.max_create_ms == record.create_ms);
		// The last byte counts the headers, before it stands the value.
		expect(*at == 0 && memcmp(at - record.value_bytes, value, record.value_bytes) == 0);
	} else {
		for (int k = 0; k < 4; k++)
			expect((memory[k] = malloc(ROOM)) != NULL);
		for (int k = 0; k < 2; k++)
			fc_record_batch_open(&halves[k], memory[k], ROOM);
		expect(fc_record_batch_split(&b, &halves[0], &halves[1]));
		expect(halves[0].records == records / 2 && halves[1].records == records - records / 2);
		for (int k = 0; k < 2; k++) {
			seal(&halves[k], compressor, memory[2 + k]);
			take_apart(halves[k], codec, left, depth + 1);
		}
		for (int k = 0; k < 4; k++)
			free(memory[k]);
	}
	free(plain);
	fc_compressor_close(compressor);
	fc_decompressor_close(decompressor);
}

static void split_records(enum fc_codec codec, const uint8_t *data, size_t size)
{
	struct fc_compressor *compressor = codec == FC_CODEC_NONE ? NULL : fc_compressor_create(codec, 0, ROOM);
	struct records in = {data, data + size, 0}, out = in;
	uint8_t *memory = malloc(ROOM), *compressed = malloc(ROOM), *to;
	struct fc_record_batch b;
	struct fc_record record = {0};
	const uint8_t *value;

	expect(memory != NULL && compressed != NULL);
	fc_record_batch_open(&b, memory, ROOM);
	while (next_record(&in, &record, &value)) {
		to = fc_record_batch_append(&b, &record);
		expect(to != NULL);
		memcpy(to, value, record.value_bytes);
	}
	if (b.records > 0) {
		seal(&b, compressor, compressed);
		take_apart(b, codec, &out, 0);
		expect(out.at == in.at);
	}
	free(memory);
	free(compressed);
	fc_compressor_close(compressor);
}

static void split_bytes(enum fc_codec codec, const uint8_t *data, size_t size)
{
	struct fc_decompressor *decompressor = fc_decompressor_create(codec);
	uint8_t *batch, *plain = malloc(ROOM), *memory[2] = {malloc(ROOM), malloc(ROOM)};
	struct fc_record_batch b = {.bytes = (uint32_t)size, .records = data[0]}, halves[2];

	expect(plain != NULL && memory[0] != NULL && memory[1] != NULL && decompressor != NULL);
	b.start = batch = copy_of(data, size);
	if (fc_record_batch_decompress(decompressor, &b, plain, ROOM)) {
		fc_record_batch_open(&halves[0], memory[0], ROOM);
		fc_record_batch_open(&halves[1], memory[1], ROOM);
		if (b.records >= 2 && fc_record_batch_split(&b, &halves[0], &halves[1]))
			expect(halves[0].records + halves[1].records == b.records);
	}
	free(batch);
	free(plain);
	free(memory[0]);
	free(memory[1]);
	fc_decompressor_close(decompressor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	if (data[0] < 128)
		split_records(codecs[data[0] % CODECS], data + 1, size - 1);
	else if (size > FC_RECORD_BATCH_HEADER_BYTES)
		split_bytes(codecs[data[0] % CODECS], data + 1, size - 1);
	return 0;
}
