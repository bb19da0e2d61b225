// Produce requests and their responses as bytes (API key 0; the protocol guide of Kafka's documentation). Pure: every
// length is checked, nothing is kept.
//
// Versions 3 to 8: one request layout, which Apache Kafka 4.x, 3.9 and librdkafka's mock cluster all take (KIP-896
// keeps 3 and up). What 9 to 13 add (tagged fields, transactions, topic ids) is not needed here. Batches with zstd need
// 7 (KIP-110).
#ifndef FC_PRODUCE_H
#define FC_PRODUCE_H

#include <stdint.h>

enum {
	FC_PRODUCE_VERSION_MIN = 3,
	FC_PRODUCE_VERSION_ZSTD = 7,
	FC_PRODUCE_VERSION_MAX = 8,
	FC_PRODUCE_PARTITION_HEAD_BYTES = 8, // stands before each record batch in a request
	FC_PRODUCE_ERROR_TEXT_BYTES = 200,
};

struct fc_produce_head {
	int16_t version;
	int32_t correlation_id;
	const char *client_id, *topic; // borrowed, NUL-terminated
	int16_t acks;                  // -1: all in-sync replicas
	int32_t timeout_ms;            // that the broker may wait for them
	uint32_t partitions;           // batches in this request, one per partition
	uint32_t body_bytes;           // of those batches, with their heads
};

// The bytes of a request before its first batch, its size field among them: the request is these bytes, then for each
// batch its head and itself. At most `capacity` bytes are written; returns how many, or 0 when they do not fit or the
// request would exceed what its size field can say.
uint32_t fc_produce_head_write(uint8_t *to, uint32_t capacity, const struct fc_produce_head *head);

// Writes the FC_PRODUCE_PARTITION_HEAD_BYTES that stand before a batch.
void fc_produce_partition_head_write(uint8_t *to, int32_t partition, uint32_t batch_bytes);

// What a broker says of one batch.
struct fc_produce_result {
	int32_t partition;
	int16_t error; // 0: written
	int64_t base_offset;
	char text[FC_PRODUCE_ERROR_TEXT_BYTES]; // the broker's own words (version 8) in printable ASCII, or ""
};

struct fc_produce_response {
	const uint8_t *at, *end; // borrowed
	int16_t version;
	const char *topic;
	int32_t topics_left, partitions_left;
	int32_t throttle_ms; // valid once fc_produce_response_next() returned 0: how long the broker wants us to be
			     // silent
};

// Begins to read the `bytes` bytes of a response behind its correlation id; it has to be about `topic`. `bytes` and
// `topic` are borrowed until the last result.
void fc_produce_response_open(
	struct fc_produce_response *r, const uint8_t *bytes, uint32_t size, int16_t version, const char *topic);

// 1: `result` is the next one; 0: that was all, to the last byte; -EBADMSG: this is no such response, and so are all
// further calls, after 0 too. Whether the partitions are those of the request, each once, is the caller's to check.
int fc_produce_response_next(struct fc_produce_response *r, struct fc_produce_result *result);

#endif
