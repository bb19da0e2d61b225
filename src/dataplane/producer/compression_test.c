// That Kafka's clients can read the batches is shown in tests/unit/test_record_batch.py; here: limits and memory.
#include "compression.h"

#include <assert.h>
#include <lz4frame.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "../dataplane.h"

enum { BATCH_BYTES_MAX = 1 << 20 };

static const enum fc_codec codecs[] = {FC_CODEC_LZ4, FC_CODEC_ZSTD};

// A batch of as many records of `value_bytes` as fit into `bytes_max`; each of their random bytes stands `run` times.
static struct fc_record_batch batch(uint32_t bytes_max, uint32_t value_bytes, uint32_t run)
{
	struct fc_record r = {.key_us = 1, .create_ms = 1, .value_bytes = value_bytes};
	struct fc_record_batch b;
	uint8_t *memory = malloc(bytes_max), *value;
	uint32_t state = 1, k;

	assert(memory != NULL);
	fc_record_batch_open(&b, memory, bytes_max);
	while ((value = fc_record_batch_append(&b, &r)) != NULL)
		for (k = 0; k < value_bytes; k++) {
			if (k % run == 0)
				state = state * 1664525 + 1013904223;
			value[k] = (uint8_t)(state >> 24);
		}
	return b;
}

static void expect_records(const struct fc_record_batch *b, enum fc_codec codec, const struct fc_record_batch *plain)
{
	const uint8_t *from = b->start + FC_RECORD_BATCH_HEADER_BYTES;
	size_t bytes = b->bytes - FC_RECORD_BATCH_HEADER_BYTES, size = plain->bytes - FC_RECORD_BATCH_HEADER_BYTES;
	uint8_t *to = malloc(size);

	assert(to != NULL);
	if (codec == FC_CODEC_ZSTD) {
		assert(ZSTD_decompress(to, size, from, bytes) == size);
	} else {
		LZ4F_dctx *lz4;
		size_t written = 0, n, read;

		assert(!LZ4F_isError(LZ4F_createDecompressionContext(&lz4, LZ4F_VERSION)));
		for (; bytes > 0; from += read, bytes -= read, written += n) {
			size_t left;

			n = size - written;
			read = bytes;
			left = LZ4F_decompress(lz4, to + written, &n, from, &read, NULL);
			assert(!LZ4F_isError(left) && (read > 0 || n > 0));
			assert((left == 0) == (read == bytes && written + n == size)); // the end of the frame
		}
		assert(written == size);
		LZ4F_freeDecompressionContext(lz4);
	}
	assert(memcmp(to, plain->start + FC_RECORD_BATCH_HEADER_BYTES, size) == 0);
	free(to);
}

static void every_level_of_every_codec(void)
{
	size_t k;
	int level;

	for (k = 0; k < 2; k++) {
		for (level = -1; level <= 12; level++) {
			struct fc_record_batch plain = batch(200000, 700, 16), b = plain;
			struct fc_compressor *c = fc_compressor_create(codecs[k], level, 200000);
			uint8_t *memory = malloc(200000);

			assert(c != NULL && memory != NULL);
			assert(fc_record_batch_compress(c, &b, memory, 200000));
			assert(b.start == memory && b.bytes < plain.bytes * 3 / 4 && b.records == plain.records);
			assert((memory[22] & 7) == codecs[k]);
			expect_records(&b, codecs[k], &plain);
			fc_compressor_close(c);
			free(memory);
			free(plain.start);
		}
		assert(fc_compressor_create(codecs[k], -2, 1000) == NULL);
		assert(strstr(fc_last_error(), "compression.level -2") != NULL);
		assert(fc_compressor_create(codecs[k], 13, 1000) == NULL);
		assert(strstr(fc_last_error(), "compression.level 13") != NULL);
	}
}

// In memory of exactly that capacity, so that the address sanitizer sees one byte too many.
static void a_capacity_is_never_exceeded(void)
{
	static const uint32_t sizes[] = {200, 1000, 70000, 140000};
	size_t k, s;

	for (k = 0; k < 2; k++) {
		for (s = 0; s < sizeof sizes / sizeof *sizes; s++) {
			struct fc_compressor *c = fc_compressor_create(codecs[k], 0, sizes[s]);
			struct fc_record_batch plain = batch(sizes[s], 60, 16), b;
			uint32_t capacity, smallest = UINT32_MAX, step = sizes[s] / 200;

			assert(c != NULL);
			for (capacity = 0; capacity <= sizes[s] + 100; capacity += step) {
				uint8_t *memory = malloc(capacity > 0 ? capacity : 1);
				bool smaller;

				b = plain;
				assert(memory != NULL);
				smaller = fc_record_batch_compress(c, &b, memory, capacity);
				if (smaller) {
					assert(b.bytes <= capacity && b.bytes < plain.bytes);
					expect_records(&b, codecs[k], &plain);
					if (capacity < smallest)
						smallest = capacity;
				} else {
					assert(memcmp(&b, &plain, sizeof b) == 0);
					assert(smallest == UINT32_MAX); // more room is never worse
				}
				free(memory);
			}
			assert(smallest != UINT32_MAX);
			fc_compressor_close(c);
			free(plain.start);
		}
	}
}

static void what_does_not_shrink_stays(void)
{
	size_t k;

	for (k = 0; k < 2; k++) {
		struct fc_compressor *c = fc_compressor_create(codecs[k], 0, BATCH_BYTES_MAX);
		struct fc_record_batch plain = batch(BATCH_BYTES_MAX, 65536, 1), b = plain;
		uint8_t *memory = malloc(2 * BATCH_BYTES_MAX);

		assert(c != NULL && memory != NULL);
		assert(!fc_record_batch_compress(c, &b, memory, 2 * BATCH_BYTES_MAX));
		assert(memcmp(&b, &plain, sizeof b) == 0);
		fc_record_batch_open(&b, plain.start, plain.capacity);
		assert(!fc_record_batch_compress(c, &b, memory, 2 * BATCH_BYTES_MAX)); // empty
		fc_compressor_close(c);
		free(memory);
		free(plain.start);
	}
}

// Of the address sanitizer; its header is not where gcc looks.
int __sanitizer_install_malloc_and_free_hooks(
	void (*allocated)(const volatile void *, size_t), void (*freed)(const volatile void *));

static unsigned allocations;

static void count_allocation(const volatile void *memory, size_t bytes)
{
	(void)memory;
	(void)bytes;
	allocations++;
}

static void ignore_free(const volatile void *memory)
{
	(void)memory;
}

// Sizes large and small in turn, and so many small ones that zstd's own memory would shrink.
static void nothing_is_allocated_after_creation(void)
{
	// lz4 from level 10 on is the exception that compression.h names.
	static const int levels[2][4] = {{0, 1, 3, 9}, {0, 1, 3, 12}};
	struct fc_record_batch large = batch(BATCH_BYTES_MAX, 1500, 16), small = batch(2000, 60, 16), b;
	uint8_t *memory;
	size_t k, l;
	int n;

	assert(__sanitizer_install_malloc_and_free_hooks(count_allocation, ignore_free) > 0);
	memory = malloc(BATCH_BYTES_MAX);
	assert(memory != NULL);
	assert(allocations > 0); // they are seen
	for (k = 0; k < 2; k++) {
		for (l = 0; l < 4; l++) {
			struct fc_compressor *c = fc_compressor_create(codecs[k], levels[k][l], BATCH_BYTES_MAX);

			assert(c != NULL);
			allocations = 0;
			for (n = 0; n < 202; n++) {
				b = n == 0 || n == 201 ? large : small;
				assert(fc_record_batch_compress(c, &b, memory, BATCH_BYTES_MAX));
			}
			assert(allocations == 0);
			fc_compressor_close(c);
		}
	}
	free(memory);
	free(large.start);
	free(small.start);
}

int main(void)
{
	every_level_of_every_codec();
	a_capacity_is_never_exceeded();
	what_does_not_shrink_stays();
	nothing_is_allocated_after_creation();
	return 0;
}
