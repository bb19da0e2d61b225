#include "record_split.h"

#include <errno.h>
#include <lz4frame.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "../error.h"

enum { VARINT_BYTES_MAX = 10, AT_CODEC = 22, CODEC_MASK = 7 };

struct fc_decompressor {
	LZ4F_dctx *lz4;
	ZSTD_DCtx *zstd;
};

struct fc_decompressor *fc_decompressor_create(enum fc_codec codec)
{
	struct fc_decompressor *d = calloc(1, sizeof *d);
	bool open = d != NULL;

	if (open && codec != FC_CODEC_ZSTD)
		open = !LZ4F_isError(LZ4F_createDecompressionContext(&d->lz4, LZ4F_VERSION));
	if (open && codec != FC_CODEC_LZ4)
		open = (d->zstd = ZSTD_createDCtx()) != NULL;
	if (open)
		return d;
	fc_error(ENOMEM, "out of memory");
	fc_decompressor_close(d);
	return NULL;
}

void fc_decompressor_close(struct fc_decompressor *d)
{
	if (d == NULL)
		return;
	LZ4F_freeDecompressionContext(d->lz4);
	ZSTD_freeDCtx(d->zstd);
	free(d);
}

static bool decompress_lz4(LZ4F_dctx *lz4, uint8_t *to, size_t *room, const uint8_t *from, size_t bytes)
{
	size_t produced = *room, consumed = bytes;
	size_t left = LZ4F_decompress(lz4, to, &produced, from, &consumed, NULL);

	*room = produced;
	if (left == 0 && consumed == bytes)
		return true;
	LZ4F_resetDecompressionContext(lz4);
	return false;
}

bool fc_record_batch_decompress(
	struct fc_decompressor *d, struct fc_record_batch *b, uint8_t *memory, uint32_t capacity)
{
	const uint8_t *from = b->start + FC_RECORD_BATCH_HEADER_BYTES;
	size_t bytes = b->bytes - FC_RECORD_BATCH_HEADER_BYTES, room;
	uint8_t *to = memory + FC_RECORD_BATCH_HEADER_BYTES;

	if (capacity < FC_RECORD_BATCH_HEADER_BYTES)
		return false;
	room = capacity - FC_RECORD_BATCH_HEADER_BYTES;
	switch (b->start[AT_CODEC] & CODEC_MASK) {
	case FC_CODEC_NONE:
		if (bytes > room)
			return false;
		memcpy(to, from, bytes);
		room = bytes;
		break;
	case FC_CODEC_LZ4:
		if (d == NULL || d->lz4 == NULL || !decompress_lz4(d->lz4, to, &room, from, bytes))
			return false;
		break;
	case FC_CODEC_ZSTD:
		if (d == NULL || d->zstd == NULL)
			return false;
		room = ZSTD_decompressDCtx(d->zstd, to, room, from, bytes);
		if (ZSTD_isError(room))
			return false;
		break;
	default:
		return false;
	}
	b->start = memory;
	b->capacity = capacity;
	b->bytes = FC_RECORD_BATCH_HEADER_BYTES + (uint32_t)room;
	return true;
}

// Reads the varint at *at, which lies before `end`. False when it does not.
static bool get_varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
	unsigned shift = 0;

	*value = 0;
	while (*at < end && shift < 7 * VARINT_BYTES_MAX) {
		uint8_t byte = *(*at)++;

		*value |= (uint64_t)(byte & 0x7f) << (shift < 64 ? shift : 63);
		if (byte < 0x80)
			return true;
		shift += 7;
	}
	return false;
}

static int64_t from_zigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

// Copies the record at *at into `to` with the next offset of that batch.
static bool move_record(const uint8_t **at, const uint8_t *end, int64_t base_create_ms, struct fc_record_batch *to)
{
	const uint8_t *behind, *rest;
	uint64_t length, create_delta, offset_delta, body, bytes;
	int64_t create_ms;
	uint8_t *out = to->start + to->bytes;

	if (!get_varint(at, end, &length) || length >> 1 > (uint64_t)(end - *at))
		return false;
	rest = *at + 1; // behind the attributes
	behind = *at + (length >> 1);
	if (rest > behind || !get_varint(&rest, behind, &create_delta) || !get_varint(&rest, behind, &offset_delta))
		return false;
	*at = behind;
	offset_delta = (uint64_t)to->records << 1;
	body = 1 + fc_varint_bytes(create_delta) + fc_varint_bytes(offset_delta) + (uint64_t)(behind - rest);
	bytes = fc_varint_bytes(body << 1) + body;
	if (bytes > to->capacity - to->bytes)
		return false;
	out = fc_put_varint(out, body << 1);
	out = fc_put_u8(out, 0);
	out = fc_put_varint(out, create_delta);
	out = fc_put_varint(out, offset_delta);
	memcpy(out, rest, (size_t)(behind - rest));
	create_ms = (int64_t)((uint64_t)base_create_ms + (uint64_t)from_zigzag(create_delta));
	if (to->records == 0 || create_ms > to->max_create_ms)
		to->max_create_ms = create_ms;
	to->base_create_ms = base_create_ms;
	to->bytes += (uint32_t)bytes;
	to->records++;
	return true;
}

bool fc_record_batch_split(
	const struct fc_record_batch *b, struct fc_record_batch *first, struct fc_record_batch *second)
{
	const uint8_t *at = b->start + FC_RECORD_BATCH_HEADER_BYTES, *end = b->start + b->bytes;
	uint32_t k;

	for (k = 0; k < b->records; k++)
		if (!move_record(&at, end, b->base_create_ms, k < b->records / 2 ? first : second))
			return false;
	return at == end;
}
