#define ZSTD_STATIC_LINKING_ONLY // a context in memory of ours is the only one that never allocates
#include "compression.h"

#include <errno.h>
#include <lz4frame.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "../error.h"

enum {
	// librdkafka's compression.level, for every codec; up to 0: the codec's default.
	LEVEL_MIN = -1,
	LEVEL_MAX = 12,
	LZ4_BLOCK_BYTES = 64 << 10,
};

// As Kafka's own clients write it: blocks of 64 KB, independent, without a checksum (the batch has one).
static const LZ4F_frameInfo_t lz4_frame = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent};

struct fc_compressor {
	enum fc_codec codec;
	LZ4F_preferences_t lz4_preferences;
	LZ4F_cctx *lz4;
	// For a block whose worst case does not fit where it belongs, although it may well.
	uint8_t *lz4_block;
	size_t lz4_block_bytes;
	void *zstd_memory;
	ZSTD_CCtx *zstd; // in zstd_memory
};

static bool open_lz4(struct fc_compressor *c, int level)
{
	uint8_t frame_header[LZ4F_HEADER_SIZE_MAX];

	c->lz4_preferences = (LZ4F_preferences_t){.frameInfo = lz4_frame, .compressionLevel = level, .autoFlush = 1};
	c->lz4_block_bytes = LZ4F_compressBound(LZ4_BLOCK_BYTES, &c->lz4_preferences);
	c->lz4_block = malloc(c->lz4_block_bytes);
	// The first frame of a context allocates what all of them use.
	return c->lz4_block != NULL && !LZ4F_isError(LZ4F_createCompressionContext(&c->lz4, LZ4F_VERSION)) &&
	       !LZ4F_isError(LZ4F_compressBegin(c->lz4, frame_header, sizeof frame_header, &c->lz4_preferences));
}

// What a context needs for any input of up to `bytes_max`: zstd has other parameters for small ones.
static size_t zstd_memory_bytes(int level, size_t bytes_max)
{
	const size_t tiers[] = {16 << 10, 128 << 10, 256 << 10, bytes_max};
	size_t k, most = 0;

	for (k = 0; k < sizeof tiers / sizeof *tiers; k++) {
		size_t input = tiers[k] < bytes_max ? tiers[k] : bytes_max;
		size_t bytes = ZSTD_estimateCCtxSize_usingCParams(ZSTD_getCParams(level, input, 0));

		if (bytes > most)
			most = bytes;
	}
	return most;
}

static bool open_zstd(struct fc_compressor *c, int level, uint32_t batch_bytes_max)
{
	size_t bytes = zstd_memory_bytes(level, batch_bytes_max);

	c->zstd_memory = malloc(bytes);
	if (c->zstd_memory == NULL)
		return false;
	c->zstd = ZSTD_initStaticCCtx(c->zstd_memory, bytes);
	return c->zstd != NULL && !ZSTD_isError(ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, level));
}

struct fc_compressor *fc_compressor_create(enum fc_codec codec, int level, uint32_t batch_bytes_max)
{
	struct fc_compressor *c;
	bool open = false;

	if (level < LEVEL_MIN || level > LEVEL_MAX) {
		fc_error(EINVAL, "compression.level %d is not between %d and %d (-1 or 0: the codec's default)", level,
			LEVEL_MIN, LEVEL_MAX);
		return NULL;
	}
	if (level < 0)
		level = 0; // either library's own number for its default
	c = calloc(1, sizeof *c);
	if (c != NULL) {
		c->codec = codec;
		open = codec == FC_CODEC_LZ4 ? open_lz4(c, level) : open_zstd(c, level, batch_bytes_max);
	}
	if (!open) {
		fc_error(ENOMEM, "no memory to compress batches of %u bytes at level %d", batch_bytes_max, level);
		fc_compressor_close(c);
		return NULL;
	}
	return c;
}

void fc_compressor_close(struct fc_compressor *c)
{
	if (c == NULL)
		return;
	LZ4F_freeCompressionContext(c->lz4);
	free(c->lz4_block);
	free(c->zstd_memory);
	free(c);
}

// The frame's size, or 0 when it takes more than `capacity`.
static size_t compress_lz4(struct fc_compressor *c, const uint8_t *from, size_t bytes, uint8_t *to, size_t capacity)
{
	size_t used, frame_end = LZ4F_compressBound(0, &c->lz4_preferences), n;

	if (capacity < LZ4F_HEADER_SIZE_MAX)
		return 0;
	used = LZ4F_compressBegin(c->lz4, to, capacity, &c->lz4_preferences);
	if (LZ4F_isError(used))
		return 0;
	for (; bytes > 0; bytes -= n, from += n) {
		bool in_place = capacity - used >= c->lz4_block_bytes;
		size_t block;

		n = bytes < LZ4_BLOCK_BYTES ? bytes : LZ4_BLOCK_BYTES;
		block = LZ4F_compressUpdate(c->lz4, in_place ? to + used : c->lz4_block,
			in_place ? capacity - used : c->lz4_block_bytes, from, n, NULL);
		if (LZ4F_isError(block) || block > capacity - used)
			return 0;
		if (!in_place)
			memcpy(to + used, c->lz4_block, block);
		used += block;
	}
	if (capacity - used < frame_end)
		return 0;
	n = LZ4F_compressEnd(c->lz4, to + used, capacity - used, NULL);
	return LZ4F_isError(n) ? 0 : used + n;
}

// Likewise.
static size_t compress_zstd(struct fc_compressor *c, const uint8_t *from, size_t bytes, uint8_t *to, size_t capacity)
{
	size_t used = ZSTD_compress2(c->zstd, to, capacity, from, bytes);

	return ZSTD_isError(used) ? 0 : used;
}

bool fc_record_batch_compress(struct fc_compressor *c, struct fc_record_batch *b, uint8_t *memory, uint32_t capacity)
{
	const uint8_t *records = b->start + FC_RECORD_BATCH_HEADER_BYTES;
	size_t bytes = b->bytes - FC_RECORD_BATCH_HEADER_BYTES, room, compressed;

	if (bytes == 0 || capacity <= FC_RECORD_BATCH_HEADER_BYTES)
		return false;
	room = capacity - FC_RECORD_BATCH_HEADER_BYTES;
	if (room > bytes - 1)
		room = bytes - 1;
	if (c->codec == FC_CODEC_LZ4)
		compressed = compress_lz4(c, records, bytes, memory + FC_RECORD_BATCH_HEADER_BYTES, room);
	else
		compressed = compress_zstd(c, records, bytes, memory + FC_RECORD_BATCH_HEADER_BYTES, room);
	if (compressed == 0)
		return false;
	b->start = memory;
	b->capacity = capacity;
	b->bytes = FC_RECORD_BATCH_HEADER_BYTES + (uint32_t)compressed;
	fc_record_batch_seal(b, c->codec);
	return true;
}
