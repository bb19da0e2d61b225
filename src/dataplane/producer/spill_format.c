#include "spill_format.h"

#include <isa-l/crc.h>
#include <string.h>

#include "record_batch.h"
#include "wire.h"

static const uint8_t segment_magic[8] = "FCSPILL";
static const uint8_t batch_magic[4] = "FCSB";
const uint8_t fc_spill_done[FC_SPILL_DONE_BYTES] = "DONE";

enum {
	// Of a segment's head: magic, version, bytes of the topic's name, CRC of all else, name, zeros.
	AT_VERSION = 8,
	AT_TOPIC_BYTES = 10,
	AT_SEGMENT_CRC = 12,
	AT_TOPIC = 16,
	// Of a batch's head: magic, version, bytes of this head, partition, bytes, packets, CRC of the batch, number,
	// CRC of all this, done or not.
	AT_BATCH_VERSION = 4,
	AT_HEAD_BYTES = 6,
	AT_PARTITION = 8,
	AT_BYTES = 12,
	AT_PACKETS = 16,
	AT_BATCH_CRC = 20,
	AT_NUMBER = 24,
	AT_CRC = 32,
};

static uint32_t crc(const uint8_t *from, int bytes, uint32_t before)
{
	return crc32_iscsi((uint8_t *)(uintptr_t)from, bytes, before);
}

static uint32_t segment_crc(const uint8_t *head)
{
	return ~crc(head + AT_TOPIC, FC_SPILL_SEGMENT_HEAD_BYTES - AT_TOPIC, crc(head, AT_SEGMENT_CRC, UINT32_MAX));
}

void fc_spill_segment_head_write(uint8_t *to, const char *topic)
{
	size_t bytes = strnlen(topic, FC_SPILL_TOPIC_BYTES_MAX);

	memset(to, 0, FC_SPILL_SEGMENT_HEAD_BYTES);
	memcpy(to, segment_magic, sizeof segment_magic);
	fc_put_u16(to + AT_VERSION, FC_SPILL_VERSION);
	fc_put_u16(to + AT_TOPIC_BYTES, (uint16_t)bytes);
	memcpy(to + AT_TOPIC, topic, bytes);
	fc_put_u32(to + AT_SEGMENT_CRC, segment_crc(to));
}

const char *fc_spill_segment_head_read(const uint8_t *from)
{
	const char *topic = (const char *)from + AT_TOPIC;

	if (memcmp(from, segment_magic, sizeof segment_magic) != 0 ||
		fc_get_u16(from + AT_VERSION) != FC_SPILL_VERSION ||
		fc_get_u32(from + AT_SEGMENT_CRC) != segment_crc(from))
		return NULL;
	return strnlen(topic, FC_SPILL_TOPIC_BYTES_MAX + 1) == fc_get_u16(from + AT_TOPIC_BYTES) ? topic : NULL;
}

void fc_spill_batch_head_write(uint8_t *to, const struct fc_spill_batch_head *head)
{
	memcpy(to, batch_magic, sizeof batch_magic);
	fc_put_u16(to + AT_BATCH_VERSION, FC_SPILL_VERSION);
	fc_put_u16(to + AT_HEAD_BYTES, FC_SPILL_BATCH_HEAD_BYTES);
	fc_put_u32(to + AT_PARTITION, (uint32_t)head->partition);
	fc_put_u32(to + AT_BYTES, head->bytes);
	fc_put_u32(to + AT_PACKETS, head->packets);
	fc_put_u32(to + AT_BATCH_CRC, head->crc);
	fc_put_u64(to + AT_NUMBER, head->number);
	fc_put_u32(to + AT_CRC, ~crc(to, AT_CRC, UINT32_MAX));
	memset(to + FC_SPILL_AT_DONE, 0, FC_SPILL_DONE_BYTES);
	if (head->done)
		memcpy(to + FC_SPILL_AT_DONE, fc_spill_done, FC_SPILL_DONE_BYTES);
}

bool fc_spill_batch_head_read(const uint8_t *from, struct fc_spill_batch_head *head)
{
	if (memcmp(from, batch_magic, sizeof batch_magic) != 0 ||
		fc_get_u16(from + AT_BATCH_VERSION) != FC_SPILL_VERSION ||
		fc_get_u16(from + AT_HEAD_BYTES) != FC_SPILL_BATCH_HEAD_BYTES ||
		fc_get_u32(from + AT_CRC) != ~crc(from, AT_CRC, UINT32_MAX))
		return false;
	*head = (struct fc_spill_batch_head){
		.partition = (int32_t)fc_get_u32(from + AT_PARTITION),
		.bytes = fc_get_u32(from + AT_BYTES),
		.packets = fc_get_u32(from + AT_PACKETS),
		.crc = fc_get_u32(from + AT_BATCH_CRC),
		.number = fc_get_u64(from + AT_NUMBER),
		.done = memcmp(from + FC_SPILL_AT_DONE, fc_spill_done, FC_SPILL_DONE_BYTES) == 0,
	};
	return head->partition >= 0 && head->bytes >= FC_RECORD_BATCH_HEADER_BYTES && head->bytes <= INT32_MAX;
}
