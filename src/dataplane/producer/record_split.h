// Takes a sealed record batch apart into two: for a broker that finds it too large. Pure, as record_batch.c.
#ifndef FC_RECORD_SPLIT_H
#define FC_RECORD_SPLIT_H

#include <stdbool.h>

#include "record_batch.h"

struct fc_decompressor;

// A decompressor for batches of this codec; FC_CODEC_NONE: of every one. NULL with fc_error(); harmless to close. Its
// memory is made here.
struct fc_decompressor *fc_decompressor_create(enum fc_codec codec);
void fc_decompressor_close(struct fc_decompressor *d);

// Puts the records of the sealed batch `b`, as they were before compression, into `memory` (of `capacity` bytes, not
// overlapping) and makes `b` that batch. False when they do not fit or make no sense. `d` may be NULL for a batch that
// is not compressed, which is copied.
bool fc_record_batch_decompress(
	struct fc_decompressor *d, struct fc_record_batch *b, uint8_t *memory, uint32_t capacity);

// Splits `b`, not compressed, of two records or more: the first half of its records goes into `first`, the rest into
// `second`; both are open, with room of their own. False when one has too little, or `b` makes no sense.
bool fc_record_batch_split(
	const struct fc_record_batch *b, struct fc_record_batch *first, struct fc_record_batch *second);

#endif
