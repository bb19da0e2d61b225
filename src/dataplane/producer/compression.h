// Compresses the records of a batch: lz4 in its frame format, or zstd. The context is made once and allocates nothing
// afterwards (but for lz4 at levels 10 to 12: liblz4 itself allocates for each block of 64 KB); one thread.
#ifndef FC_COMPRESSION_H
#define FC_COMPRESSION_H

#include <stdbool.h>

#include "record_batch.h"

struct fc_compressor;

// A compressor (FC_CODEC_LZ4 or FC_CODEC_ZSTD) for batches of up to `batch_bytes_max` bytes before they are compressed.
// `level` is librdkafka's compression.level: 1 to 12; 0 and -1 are the codec's default. NULL with fc_error(). Any
// thread.
struct fc_compressor *fc_compressor_create(enum fc_codec codec, int level, uint32_t batch_bytes_max);
void fc_compressor_close(struct fc_compressor *c);

// Puts the records of the open batch `b`, compressed, into `memory` (of `capacity` bytes, not overlapping), sealed
// there, and makes `b` that batch. False when that would not be smaller: `b` is as it was, seal it with FC_CODEC_NONE.
bool fc_record_batch_compress(struct fc_compressor *c, struct fc_record_batch *b, uint8_t *memory, uint32_t capacity);

#endif
