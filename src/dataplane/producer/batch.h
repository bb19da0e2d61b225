// One record batch on its way: open (being filled), waiting (sealed), flying (sent, not answered), and back in the
// pool.
//
// All batches of a tx worker are made at its start, in one piece of memory, so that its loop never allocates. Only that
// worker touches them.
#ifndef FC_BATCH_H
#define FC_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "produce.h"
#include "record_batch.h"

struct fc_spill_origin;

struct fc_batch {
	TAILQ_ENTRY(fc_batch) link; // of the one list that it is in
	uint8_t *memory;            // of the pool: the head of its partition in a request, then the record batch
	uint32_t capacity;          // of the record batch
	bool large;                 // from the pool's few large ones

	struct fc_record_batch records;
	int32_t partition;
	int64_t opened_ns; // monotonic
	uint64_t order;    // of sealing, within its partition; the next one's is `span` more
	uint64_t span;     // room for the halves that it may have to be split into
	int32_t base_sequence;
	bool sequenced;                 // its packets have sequence numbers
	bool sent;                      // at least once, whatever came of it
	bool perhaps_written;           // nobody has told yet
	struct fc_spill_origin *origin; // where it was read back from, or NULL
};

TAILQ_HEAD(fc_batch_list, fc_batch);

struct fc_batch_pool {
	struct fc_batch *batches; // owned, all of them
	uint8_t *memory;          // owned, one mapping
	uint64_t memory_bytes;
	// The last one returned is the first one taken: its memory is in the cache.
	struct fc_batch_list free, free_large;
	uint32_t count, large_count; // ordinary ones and large ones, in use or not
	uint32_t free_count, free_large_count;
	uint32_t batch_bytes; // capacity of an ordinary one
	uint32_t large_bytes; // of a large one; 0: ordinary ones hold every record
	uint8_t *spare;       // room for one more batch: the target of compression
};

// How large ordinary batches are when `open` of them may be open at once within `buffer_bytes`: `wanted_bytes`, or
// less.
uint32_t fc_batch_bytes(uint64_t buffer_bytes, uint32_t wanted_bytes, uint32_t open);

// Makes the pool: `buffer_bytes` hold all batches of `batch_bytes` each, and large ones when a single record can take
// `record_bytes_max`. Control thread. 0 or -errno with fc_error().
int fc_batch_pool_open(
	struct fc_batch_pool *pool, uint64_t buffer_bytes, uint32_t batch_bytes, uint32_t record_bytes_max);
void fc_batch_pool_close(struct fc_batch_pool *pool);

// An empty batch for at least `bytes` bytes, or NULL when all are in use but for those kept for splitting. The worker.
struct fc_batch *fc_batch_take(struct fc_batch_pool *pool, uint64_t bytes);

// How full the pool is, in thousandths of what packets can have: 1000 when fc_batch_take() gives no more. The worker.
uint32_t fc_batch_pool_permille(const struct fc_batch_pool *pool);

// How many fc_batch_take() would give now, ordinary or large ones. The worker.
uint32_t fc_batch_available(const struct fc_batch_pool *pool, bool large);

// Whether more than half of what packets may get is in use: no more batches with a few packets then.
bool fc_batch_are_scarce(const struct fc_batch_pool *pool);

// An ordinary batch for a half of a split one, of those that are kept for that too, or NULL.
struct fc_batch *fc_batch_take_kept(struct fc_batch_pool *pool);
// Whether no half is using any of those that are kept.
bool fc_batch_kept_whole(const struct fc_batch_pool *pool);
void fc_batch_give_back(struct fc_batch_pool *pool, struct fc_batch *batch);

#endif
