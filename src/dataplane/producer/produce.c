#include "produce.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>

#include "wire.h"

enum {
	API_KEY_PRODUCE = 0,
	REQUEST_SIZE_BYTES = 4,
	// All of the head but the two strings' characters: size, request header v1 (API key, version, correlation id,
	// length of the client id), transactional id, acks, time-out, topics, length of the topic, partitions.
	HEAD_FIXED_BYTES = REQUEST_SIZE_BYTES + (2 + 2 + 4 + 2) + 2 + 2 + 4 + 4 + 2 + 4,
	// What comes with newer responses.
	VERSION_LOG_START_OFFSET = 5,
	VERSION_RECORD_ERRORS = 8, // KIP-467
};

static uint8_t *put_string(uint8_t *to, const char *string, size_t length)
{
	to = fc_put_u16(to, (uint16_t)length);
	memcpy(to, string, length);
	return to + length;
}

uint32_t fc_produce_head_write(uint8_t *to, uint32_t capacity, const struct fc_produce_head *head)
{
	size_t client_id_bytes = strlen(head->client_id), topic_bytes = strlen(head->topic);
	size_t bytes = HEAD_FIXED_BYTES + client_id_bytes + topic_bytes;

	if (client_id_bytes > INT16_MAX || topic_bytes > INT16_MAX || bytes > capacity ||
		bytes - REQUEST_SIZE_BYTES + head->body_bytes > INT32_MAX)
		return 0;
	to = fc_put_u32(to, (uint32_t)(bytes - REQUEST_SIZE_BYTES + head->body_bytes));
	to = fc_put_u16(to, API_KEY_PRODUCE);
	to = fc_put_u16(to, (uint16_t)head->version);
	to = fc_put_u32(to, (uint32_t)head->correlation_id);
	to = put_string(to, head->client_id, client_id_bytes);
	to = fc_put_u16(to, UINT16_MAX); // transactional id: null
	to = fc_put_u16(to, (uint16_t)head->acks);
	to = fc_put_u32(to, (uint32_t)head->timeout_ms);
	to = fc_put_u32(to, 1); // topics
	to = put_string(to, head->topic, topic_bytes);
	fc_put_u32(to, head->partitions);
	return (uint32_t)bytes;
}

void fc_produce_partition_head_write(uint8_t *to, int32_t partition, uint32_t batch_bytes)
{
	to = fc_put_u32(to, (uint32_t)partition);
	fc_put_u32(to, batch_bytes);
}

void fc_produce_response_open(
	struct fc_produce_response *r, const uint8_t *bytes, uint32_t size, int16_t version, const char *topic)
{
	*r = (struct fc_produce_response){
		.at = bytes, .end = bytes + size, .version = version, .topic = topic, .topics_left = -1};
}

// The next `bytes` bytes, or NULL when there are not so many.
static const uint8_t *take(struct fc_produce_response *r, size_t bytes)
{
	const uint8_t *at = r->at;

	if ((size_t)(r->end - at) < bytes)
		return NULL;
	r->at = at + bytes;
	return at;
}

static bool take_i16(struct fc_produce_response *r, int16_t *v)
{
	const uint8_t *at = take(r, sizeof *v);

	if (at == NULL)
		return false;
	*v = (int16_t)fc_get_u16(at);
	return true;
}

static bool take_i32(struct fc_produce_response *r, int32_t *v)
{
	const uint8_t *at = take(r, sizeof *v);

	if (at == NULL)
		return false;
	*v = (int32_t)fc_get_u32(at);
	return true;
}

static bool take_i64(struct fc_produce_response *r, int64_t *v)
{
	const uint8_t *at = take(r, sizeof *v);

	if (at == NULL)
		return false;
	*v = (int64_t)fc_get_u64(at);
	return true;
}

// How many elements follow; an array that is null is none of Produce's.
static bool take_count(struct fc_produce_response *r, int32_t *count)
{
	return take_i32(r, count) && *count >= 0;
}

// A string or null; `*length` is then 0.
static bool take_nullable_string(struct fc_produce_response *r, const uint8_t **string, int16_t *length)
{
	if (!take_i16(r, length) || *length < -1)
		return false;
	if (*length == -1)
		*length = 0;
	*string = take(r, (size_t)*length);
	return *string != NULL;
}

static bool take_topic(struct fc_produce_response *r)
{
	size_t length = strlen(r->topic);
	const uint8_t *name;
	int16_t name_length;

	if (!take_i16(r, &name_length) || name_length < 0 || (size_t)name_length != length)
		return false;
	name = take(r, length);
	return name != NULL && memcmp(name, r->topic, length) == 0;
}

// For a line of a log: a byte that is not printable ASCII becomes a question mark.
static void put_text(char *text, const uint8_t *from, int16_t length)
{
	int k, n = length < FC_PRODUCE_ERROR_TEXT_BYTES ? length : FC_PRODUCE_ERROR_TEXT_BYTES - 1;

	for (k = 0; k < n; k++)
		text[k] = from[k] >= 0x20 && from[k] <= 0x7e ? (char)from[k] : '?';
	text[n] = '\0';
}

// What the broker says in words: of the first record that it has words for ("Timestamp ... is out of range"), or else
// of the batch ("One or more records have been rejected").
static bool take_text(struct fc_produce_response *r, char *text)
{
	const uint8_t *words, *record_words = NULL;
	int16_t length, record_length = 0;
	int32_t record, records;

	if (!take_count(r, &records))
		return false;
	for (; records > 0; records--) {
		if (!take_i32(r, &record) || !take_nullable_string(r, &words, &length))
			return false;
		if (record_length == 0) {
			record_words = words;
			record_length = length;
		}
	}
	if (!take_nullable_string(r, &words, &length))
		return false;
	put_text(text, record_length > 0 ? record_words : words, record_length > 0 ? record_length : length);
	return true;
}

static bool take_partition(struct fc_produce_response *r, struct fc_produce_result *result)
{
	int64_t log_append_ms, log_start_offset;

	result->text[0] = '\0';
	return take_i32(r, &result->partition) && result->partition >= 0 && take_i16(r, &result->error) &&
	       take_i64(r, &result->base_offset) && take_i64(r, &log_append_ms) &&
	       (r->version < VERSION_LOG_START_OFFSET || take_i64(r, &log_start_offset)) &&
	       (r->version < VERSION_RECORD_ERRORS || take_text(r, result->text));
}

static int bad(struct fc_produce_response *r)
{
	// Nothing is left, so that the next call finds nothing either.
	r->at = r->end;
	r->topics_left = r->partitions_left = 0;
	return -EBADMSG;
}

int fc_produce_response_next(struct fc_produce_response *r, struct fc_produce_result *result)
{
	if (r->topics_left == -1 && !take_count(r, &r->topics_left))
		return bad(r);
	while (r->partitions_left == 0) {
		if (r->topics_left == 0)
			return take_i32(r, &r->throttle_ms) && r->at == r->end ? 0 : bad(r);
		if (!take_topic(r) || !take_count(r, &r->partitions_left))
			return bad(r);
		r->topics_left--;
	}
	if (!take_partition(r, result))
		return bad(r);
	r->partitions_left--;
	return 1;
}
