#include "produce.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

enum { VERSIONS = FC_PRODUCE_VERSION_MAX - FC_PRODUCE_VERSION_MIN + 1 };

static const char topic[] = "packets";

static void a_request_up_to_its_first_batch(void)
{
	static const char expected[] = "\0\0\0\x74"         // size: of all but itself
				       "\0\0\0\x08\0\0\1\2" // API key, version, correlation id
				       "\0\3"
				       "fc0"              // client id
				       "\xff\xff\xff\xff" // transactional id: null; acks
				       "\0\0\x75\x30"     // time-out
				       "\0\0\0\1"
				       "\0\7"
				       "packets"   // topics, the first one
				       "\0\0\0\1"; // its partitions
	const uint32_t size = sizeof expected - 1;
	struct fc_produce_head head = {.version = 8,
		.correlation_id = 0x102,
		.client_id = "fc0",
		.topic = topic,
		.acks = -1,
		.timeout_ms = 30000,
		.partitions = 1,
		.body_bytes = FC_PRODUCE_PARTITION_HEAD_BYTES + 70};
	uint8_t *memory = malloc(size);
	uint32_t capacity;

	assert(memory != NULL);
	for (capacity = 0; capacity < size; capacity++)
		assert(fc_produce_head_write(memory, capacity, &head) == 0);
	assert(fc_produce_head_write(memory, size, &head) == size);
	assert(memcmp(memory, expected, size) == 0);
	head.body_bytes = INT32_MAX - (size - 4);
	assert(fc_produce_head_write(memory, size, &head) == size);
	head.body_bytes++; // one more than a size field can say
	assert(fc_produce_head_write(memory, size, &head) == 0);
	free(memory);
}

static void a_string_too_long_for_the_protocol(void)
{
	uint8_t *memory = malloc(100000);
	char *name = malloc(32769);
	struct fc_produce_head head = {.version = 8, .client_id = "", .topic = name};

	assert(memory != NULL && name != NULL);
	memset(name, 'a', 32768);
	name[32768] = '\0';
	assert(fc_produce_head_write(memory, 100000, &head) == 0);
	name[32767] = '\0';
	assert(fc_produce_head_write(memory, 100000, &head) > 32767);
	free(name);
	free(memory);
}

static void the_head_of_a_batch(void)
{
	static const uint8_t expected[FC_PRODUCE_PARTITION_HEAD_BYTES] = {0, 0, 1, 0, 0, 1, 0, 2};
	uint8_t memory[FC_PRODUCE_PARTITION_HEAD_BYTES];

	fc_produce_partition_head_write(memory, 256, 65538);
	assert(memcmp(memory, expected, sizeof expected) == 0);
}

static uint8_t *put_string(uint8_t *to, const char *string)
{
	if (string == NULL)
		return fc_put_u16(to, UINT16_MAX);
	to = fc_put_u16(to, (uint16_t)strlen(string));
	memcpy(to, string, strlen(string));
	return to + strlen(string);
}

static uint8_t *put_partition(
	uint8_t *to, int16_t version, uint32_t partition, uint16_t error, const char *record_text, const char *text)
{
	to = fc_put_u32(to, partition);
	to = fc_put_u16(to, error);
	to = fc_put_u64(to, 1000 + partition); // base offset
	to = fc_put_u64(to, UINT64_MAX);       // log append time
	if (version >= 5)
		to = fc_put_u64(to, 17); // log start offset
	if (version < 8)
		return to;
	to = fc_put_u32(to, record_text == NULL ? 0 : 2);
	if (record_text != NULL) {
		to = put_string(fc_put_u32(to, 4), NULL);
		to = put_string(fc_put_u32(to, 5), record_text);
	}
	return put_string(to, text);
}

// A response about partitions 0 (written), 3 (refused, in words of a record) and 9 (refused, in words of the batch).
static uint32_t response(uint8_t *memory, int16_t version)
{
	uint8_t *to = memory;

	to = fc_put_u32(to, 1);
	to = put_string(to, topic);
	to = fc_put_u32(to, 3);
	to = put_partition(to, version, 0, 0, NULL, NULL);
	to = put_partition(to, version, 3, 87, "of\nrecord \xc3\xa9\x7f 5", "one or more");
	to = put_partition(to, version, 9, 32, NULL, "out of range");
	to = fc_put_u32(to, 250); // throttle
	return (uint32_t)(to - memory);
}

static void a_response_is_read(void)
{
	int16_t version;

	for (version = FC_PRODUCE_VERSION_MIN; version <= FC_PRODUCE_VERSION_MAX; version++) {
		uint8_t memory[400];
		uint32_t size = response(memory, version);
		struct fc_produce_response r;
		struct fc_produce_result result;

		fc_produce_response_open(&r, memory, size, version, topic);
		assert(fc_produce_response_next(&r, &result) == 1);
		assert(result.partition == 0 && result.error == 0 && result.base_offset == 1000);
		assert(strcmp(result.text, "") == 0);
		assert(fc_produce_response_next(&r, &result) == 1);
		assert(result.partition == 3 && result.error == 87 && result.base_offset == 1003);
		assert(strcmp(result.text, version < 8 ? "" : "of?record ??? 5") == 0);
		assert(fc_produce_response_next(&r, &result) == 1);
		assert(result.partition == 9 && result.error == 32);
		assert(strcmp(result.text, version < 8 ? "" : "out of range") == 0);
		assert(fc_produce_response_next(&r, &result) == 0);
		assert(r.throttle_ms == 250);
		assert(fc_produce_response_next(&r, &result) == -EBADMSG); // that was all
	}
}

// Reads all of `size` bytes in memory of exactly that size; how it ended.
static int read_all(const uint8_t *bytes, uint32_t size, int16_t version)
{
	struct fc_produce_response r;
	struct fc_produce_result result;
	uint8_t *exact = malloc(size > 0 ? size : 1);
	uint32_t results = 0;
	int status;

	assert(exact != NULL);
	memcpy(exact, bytes, size);
	fc_produce_response_open(&r, exact, size, version, topic);
	while ((status = fc_produce_response_next(&r, &result)) == 1) {
		const char *at;

		assert(++results <= size && result.partition >= 0);
		assert(memchr(result.text, '\0', sizeof result.text) != NULL);
		for (at = result.text; *at != '\0'; at++)
			assert(*at >= 0x20 && *at < 0x7f);
	}
	if (status != 0)
		assert(fc_produce_response_next(&r, &result) == -EBADMSG);
	free(exact);
	return status;
}

static void every_truncation_is_an_error(void)
{
	int16_t version;

	for (version = FC_PRODUCE_VERSION_MIN; version <= FC_PRODUCE_VERSION_MAX; version++) {
		uint8_t memory[400];
		uint32_t size = response(memory, version), cut;

		assert(read_all(memory, size, version) == 0);
		for (cut = 0; cut < size; cut++)
			assert(read_all(memory, cut, version) == -EBADMSG);
		memory[size] = 0;
		assert(read_all(memory, size + 1, version) == -EBADMSG);
	}
}

static void every_other_byte_is_another_response_or_an_error(void)
{
	int16_t version;

	for (version = FC_PRODUCE_VERSION_MIN; version <= FC_PRODUCE_VERSION_MAX; version++) {
		uint8_t memory[400];
		uint32_t size = response(memory, version), at;
		unsigned other;

		for (at = 0; at < size; at++) {
			uint8_t was = memory[at];

			for (other = 0; other < 256; other++) {
				int status;

				memory[at] = (uint8_t)other;
				status = read_all(memory, size, version);
				assert(status == 0 || status == -EBADMSG);
				// All before the first partition's index says how many there are, and of what.
				if (at < 4 + 2 + sizeof topic - 1 + 4 && other != was)
					assert(status == -EBADMSG);
			}
			memory[at] = was;
		}
	}
}

static void another_version_is_an_error(void)
{
	// Versions with one layout.
	static const int layouts[VERSIONS] = {0, 0, 1, 1, 1, 2};
	int16_t written, read;

	for (written = FC_PRODUCE_VERSION_MIN; written <= FC_PRODUCE_VERSION_MAX; written++) {
		uint8_t memory[400];
		uint32_t size = response(memory, written);

		for (read = FC_PRODUCE_VERSION_MIN; read <= FC_PRODUCE_VERSION_MAX; read++)
			assert((read_all(memory, size, read) == 0) ==
				(layouts[written - FC_PRODUCE_VERSION_MIN] == layouts[read - FC_PRODUCE_VERSION_MIN]));
	}
}

static void a_long_text_is_cut(void)
{
	uint8_t memory[1000];
	char text[500];
	struct fc_produce_response r;
	struct fc_produce_result result;
	size_t length;

	for (length = FC_PRODUCE_ERROR_TEXT_BYTES - 2; length < FC_PRODUCE_ERROR_TEXT_BYTES + 2; length++) {
		uint8_t *to = memory;

		memset(text, 'x', length);
		text[length] = '\0';
		to = put_string(fc_put_u32(to, 1), topic);
		to = put_partition(fc_put_u32(to, 1), 8, 0, 87, NULL, text);
		to = fc_put_u32(to, 0);
		fc_produce_response_open(&r, memory, (uint32_t)(to - memory), 8, topic);
		assert(fc_produce_response_next(&r, &result) == 1);
		assert(strlen(result.text) ==
			(length < FC_PRODUCE_ERROR_TEXT_BYTES ? length : FC_PRODUCE_ERROR_TEXT_BYTES - 1));
		assert(fc_produce_response_next(&r, &result) == 0);
	}
}

int main(void)
{
	a_request_up_to_its_first_batch();
	a_string_too_long_for_the_protocol();
	the_head_of_a_batch();
	a_response_is_read();
	every_truncation_is_an_error();
	every_other_byte_is_another_response_or_an_error();
	another_version_is_an_error();
	a_long_text_is_cut();
	return 0;
}
