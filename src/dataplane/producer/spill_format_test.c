// Heads as bytes: what is written is read back, and nothing else is taken for one.
#include "spill_format.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

static void a_segment_says_whose_it_is(void)
{
	uint8_t head[FC_SPILL_SEGMENT_HEAD_BYTES];
	char longest[FC_SPILL_TOPIC_BYTES_MAX + 1];
	unsigned bit;

	memset(longest, 'x', FC_SPILL_TOPIC_BYTES_MAX);
	longest[FC_SPILL_TOPIC_BYTES_MAX] = '\0';
	fc_spill_segment_head_write(head, longest);
	assert(strcmp(fc_spill_segment_head_read(head), longest) == 0);
	fc_spill_segment_head_write(head, "pcap");
	assert(strcmp(fc_spill_segment_head_read(head), "pcap") == 0);
	assert(memcmp(head, "FCSPILL\0\0\1\0\4", 12) == 0);
	assert(memcmp(head + 16, "pcap\0", 5) == 0);
	for (bit = 0; bit < 8 * sizeof head; bit++) {
		head[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert(fc_spill_segment_head_read(head) == NULL);
		head[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	memset(head, 0, sizeof head);
	assert(fc_spill_segment_head_read(head) == NULL);
}

static void the_head_of_a_batch(void)
{
	static const uint8_t expected[] = "FCSB\0\1\0\x28"             // magic, version, 40 bytes
					  "\0\0\0\7\0\1\0\0"           // partition, bytes
					  "\0\0\3\xe8\xca\xfe\xba\xbe" // packets, CRC of the batch
					  "\0\0\0\0\0\0\0\x2a";        // number
	const struct fc_spill_batch_head head = {
		.partition = 7, .bytes = 65536, .packets = 1000, .crc = 0xcafebabe, .number = 42};
	struct fc_spill_batch_head read;
	uint8_t bytes[FC_SPILL_BATCH_HEAD_BYTES];
	unsigned bit;

	fc_spill_batch_head_write(bytes, &head);
	assert(memcmp(bytes, expected, sizeof expected - 1) == 0);
	assert(fc_spill_batch_head_read(bytes, &read));
	assert(read.partition == 7 && read.bytes == 65536 && read.packets == 1000 && read.crc == 0xcafebabe);
	assert(read.number == 42 && !read.done);
	for (bit = 0; bit < 8 * FC_SPILL_AT_DONE; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert(!fc_spill_batch_head_read(bytes, &read));
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void done_is_written_later_and_no_crc_covers_it(void)
{
	struct fc_spill_batch_head head = {.partition = 0, .bytes = 61, .packets = 1};
	uint8_t bytes[FC_SPILL_BATCH_HEAD_BYTES];

	fc_spill_batch_head_write(bytes, &head);
	memcpy(bytes + FC_SPILL_AT_DONE, fc_spill_done, FC_SPILL_DONE_BYTES);
	assert(fc_spill_batch_head_read(bytes, &head) && head.done);
	bytes[FC_SPILL_AT_DONE] ^= 1; // half written
	assert(fc_spill_batch_head_read(bytes, &head) && !head.done);
}

static void no_batch_is_smaller_than_its_header(void)
{
	struct fc_spill_batch_head head = {.partition = 0, .bytes = 60, .packets = 1};
	uint8_t bytes[FC_SPILL_BATCH_HEAD_BYTES];

	fc_spill_batch_head_write(bytes, &head);
	assert(!fc_spill_batch_head_read(bytes, &head));
	head = (struct fc_spill_batch_head){.partition = -1, .bytes = 61, .packets = 1};
	fc_spill_batch_head_write(bytes, &head);
	assert(!fc_spill_batch_head_read(bytes, &head));
}

int main(void)
{
	a_segment_says_whose_it_is();
	the_head_of_a_batch();
	done_is_written_later_and_no_crc_covers_it();
	no_batch_is_smaller_than_its_header();
	return 0;
}
