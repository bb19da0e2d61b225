// Writes record batches for tests: each request on standard input is answered with a batch on standard output
// (record_batches.py has both formats). Memory has exactly the size asked for, so that one byte too many is seen.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "producer/compression.h"
#include "producer/record_batch.h"

struct request {
	uint32_t codec, capacity, records;
	int32_t level, base_sequence;
	int16_t epoch;
	uint16_t interface_bytes;
	int64_t producer_id;
};

struct record {
	uint64_t key_us, sequence, time_ns;
	int64_t create_ms;
	uint32_t value_bytes, original_bytes;
	uint16_t queue;
	uint16_t with_headers;
	uint32_t unused;
};

struct response {
	uint32_t records, bytes;
};

static void *memory_of(size_t bytes)
{
	void *memory = malloc(bytes > 0 ? bytes : 1);

	if (memory == NULL)
		exit(3);
	return memory;
}

static void get(void *to, size_t bytes)
{
	if (bytes > 0 && fread(to, bytes, 1, stdin) != 1)
		exit(4);
}

static void write_batch(const struct request *q)
{
	char *interface = memory_of(q->interface_bytes);
	uint8_t *plain = memory_of(q->capacity), *compressed = NULL;
	struct fc_compressor *compressor = NULL;
	struct fc_record_batch b;
	struct response response;
	bool full = false;
	uint32_t k;

	get(interface, q->interface_bytes);
	fc_record_batch_open(&b, plain, q->capacity);
	for (k = 0; k < q->records; k++) {
		struct record record;
		struct fc_message_headers headers;
		struct fc_record r;
		uint8_t *read, *value = NULL;

		get(&record, sizeof record);
		headers = (struct fc_message_headers){.interface = interface,
			.interface_bytes = q->interface_bytes,
			.queue = record.queue,
			.original_bytes = record.original_bytes,
			.sequence = record.sequence,
			.time_ns = record.time_ns};
		r = (struct fc_record){.key_us = record.key_us,
			.create_ms = record.create_ms,
			.value_bytes = record.value_bytes,
			.headers = record.with_headers ? &headers : NULL};
		read = memory_of(record.value_bytes);
		get(read, record.value_bytes);
		if (!full)
			value = fc_record_batch_append(&b, &r);
		if (value != NULL)
			memcpy(value, read, record.value_bytes);
		else
			full = true;
		free(read);
	}
	if (q->codec != FC_CODEC_NONE) {
		compressed = memory_of(q->capacity);
		compressor = fc_compressor_create((enum fc_codec)q->codec, q->level, q->capacity);
		if (compressor == NULL)
			exit(5);
	}
	if (compressor == NULL || !fc_record_batch_compress(compressor, &b, compressed, q->capacity))
		fc_record_batch_seal(&b, FC_CODEC_NONE);
	fc_record_batch_stamp(b.start, b.bytes, q->producer_id, q->epoch, q->base_sequence);

	response = (struct response){.records = b.records, .bytes = b.bytes};
	fwrite(&response, sizeof response, 1, stdout);
	fwrite(b.start, b.bytes, 1, stdout);
	fflush(stdout);
	fc_compressor_close(compressor);
	free(compressed);
	free(plain);
	free(interface);
}

int main(void)
{
	struct request q;

	while (fread(&q, sizeof q, 1, stdin) == 1)
		write_batch(&q);
	return 0;
}
