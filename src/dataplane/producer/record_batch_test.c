// The bytes themselves are compared with kafka-python's reading of them in tests/unit/test_record_batch.py; here:
// sizes, limits and what a call leaves alone.
#include "record_batch.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const struct fc_message_headers headers = {
	.interface = "eth0", .interface_bytes = 4, .queue = 3, .original_bytes = 1500, .sequence = 77, .time_ns = 1};

static struct fc_record record(uint32_t value_bytes)
{
	return (struct fc_record){.key_us = 1700000000123456, .create_ms = 1700000000123, .value_bytes = value_bytes};
}

// In memory of exactly `capacity` bytes, so that the address sanitizer sees one byte too many.
static struct fc_record_batch open_batch(uint32_t capacity)
{
	struct fc_record_batch b;
	uint8_t *memory = malloc(capacity);

	assert(memory != NULL);
	fc_record_batch_open(&b, memory, capacity);
	return b;
}

static bool append(struct fc_record_batch *b, const struct fc_record *r)
{
	uint8_t *value = fc_record_batch_append(b, r);

	if (value != NULL)
		memset(value, 0x5a, r->value_bytes);
	return value != NULL;
}

static void the_bytes_of_a_batch(void)
{
	static const char expected[] = "\0\0\0\0\0\0\0\0"                 // base offset
				       "\0\0\0\x42"                       // length
				       "\xff\xff\xff\xff"                 // partition leader epoch
				       "\2"                               // magic
				       "\x1b\x30\x13\x8a"                 // CRC, by another implementation
				       "\0\0"                             // attributes
				       "\0\0\0\0"                         // last offset delta
				       "\0\0\1\x8b\xcf\xe5\x68\x7b"       // base timestamp
				       "\0\0\1\x8b\xcf\xe5\x68\x7b"       // max timestamp
				       "\0\0\0\0\0\0\x03\xe8"             // producer id
				       "\0\7"                             // epoch
				       "\0\0\0\x09"                       // base sequence
				       "\0\0\0\1"                         // records
				       "\x20\0\0\0"                       // length, attributes, two deltas
				       "\x10\0\6\x0a\x24\x18\x1e\x42\x40" // key
				       "\4ZZ"                             // value
				       "\0";                              // headers
	const uint32_t size = sizeof expected - 1;
	struct fc_record_batch b = open_batch(size);
	struct fc_record r = record(2);

	r.key_us = 0x00060a24181e4240;
	assert(append(&b, &r));
	fc_record_batch_seal(&b, FC_CODEC_NONE);
	fc_record_batch_stamp(b.start, b.bytes, 1000, 7, 9);
	assert(b.bytes == size);
	assert(memcmp(b.start, expected, size) == 0);

	// A second stamp replaces the first, CRC and all.
	fc_record_batch_stamp(b.start, b.bytes, 1, 2, 3);
	assert(memcmp(b.start, expected, size) != 0);
	fc_record_batch_stamp(b.start, b.bytes, 1000, 7, 9);
	assert(memcmp(b.start, expected, size) == 0);
	free(b.start);
}

static void a_record_fits_exactly_or_leaves_the_batch_alone(void)
{
	// Around every step in the size of a varint of the value's or the record's length.
	static const uint32_t sizes[] = {0, 1, 51, 52, 53, 54, 63, 64, 65, 1500, 8177, 8178, 8179, 8180, 8181, 8191,
		8192, 65535, 262144, 1048565, 1048576};
	size_t k;
	int with_headers;

	for (k = 0; k < sizeof sizes / sizeof *sizes; k++) {
		for (with_headers = 0; with_headers < 2; with_headers++) {
			struct fc_record r = record(sizes[k]);
			struct fc_record_batch exact, before, small;
			uint32_t bytes;

			r.headers = with_headers ? &headers : NULL;
			bytes = (uint32_t)fc_record_batch_bytes_max(&r);
			exact = open_batch(bytes);
			assert(append(&exact, &r));
			assert(exact.bytes == bytes && exact.records == 1);
			small = before = open_batch(bytes - 1);
			assert(!append(&small, &r));
			assert(memcmp(&small, &before, sizeof small) == 0);
			r = record(0);
			before = exact;
			assert(!append(&exact, &r));
			assert(memcmp(&exact, &before, sizeof exact) == 0);
			free(exact.start);
			free(small.start);
		}
	}
}

static void a_length_beyond_all_memory_does_not_fit(void)
{
	struct fc_record_batch b = open_batch(1000);
	struct fc_record r = record(UINT32_MAX);

	assert(fc_record_batch_bytes_max(&r) > UINT32_MAX);
	assert(!append(&b, &r));
	free(b.start);
}

static void the_times_are_those_of_the_first_and_the_latest(void)
{
	struct fc_record_batch b = open_batch(1000);
	struct fc_record r = record(1);
	uint32_t before;

	assert(append(&b, &r));
	r.create_ms -= 10;
	assert(append(&b, &r));
	r.create_ms += 100;
	assert(append(&b, &r));
	r.create_ms = 0; // 1970: a delta of six varint bytes
	before = b.bytes;
	assert(append(&b, &r));
	assert(b.bytes - before == 1 + 1 + 6 + 1 + 1 + 8 + 1 + 1 + 1);
	assert(b.base_create_ms == 1700000000123 && b.max_create_ms == 1700000000213 && b.records == 4);
	r.create_ms = INT64_MIN; // nonsense is not undefined behaviour
	assert(append(&b, &r));
	r.create_ms = INT64_MAX;
	assert(append(&b, &r));
	free(b.start);
}

static void a_batch_of_early_times_only(void)
{
	struct fc_record_batch b = open_batch(1000);
	struct fc_record r = record(1);

	r.create_ms = -5; // the first one is the latest so far, although it is less than the 0 of an empty batch
	assert(append(&b, &r));
	assert(b.base_create_ms == -5 && b.max_create_ms == -5);
	free(b.start);
}

static void varints(void)
{
	uint8_t memory[10];
	unsigned bits;

	for (bits = 0; bits < 64; bits++) {
		uint64_t power = 1ull << bits, values[] = {power - 1, power, power + 1};
		size_t k;

		for (k = 0; k < 3; k++) {
			uint32_t n = (uint32_t)(fc_put_varint(memory, values[k]) - memory), at;
			uint64_t read = 0;

			assert(n == fc_varint_bytes(values[k]));
			for (at = 0; at < n; at++) {
				assert((memory[at] & 0x80) == (at + 1 < n ? 0x80 : 0));
				read |= (uint64_t)(memory[at] & 0x7f) << (7 * at);
			}
			assert(read == values[k]);
		}
	}
	assert(fc_varint_bytes(UINT64_MAX) == 10);
	assert(fc_zigzag(0) == 0 && fc_zigzag(-1) == 1 && fc_zigzag(1) == 2 && fc_zigzag(INT64_MIN) == UINT64_MAX);
}

int main(void)
{
	the_bytes_of_a_batch();
	a_record_fits_exactly_or_leaves_the_batch_alone();
	a_length_beyond_all_memory_does_not_fit();
	the_times_are_those_of_the_first_and_the_latest();
	a_batch_of_early_times_only();
	varints();
	return 0;
}
