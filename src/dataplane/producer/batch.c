#include "batch.h"

#include <errno.h>
#include <rte_common.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "../error.h"

enum {
	BATCH_BYTES_MIN = 16384,
	BATCHES_WANTED = 8,
	LARGE_BATCHES = 4,
	// For the halves of batches that a broker finds too large: enough to come to an eighth of one.
	KEPT_BATCHES = 4,
	ORDINARY_MIN = KEPT_BATCHES + 2,
	ALIGNMENT = 64,
};

static uint64_t slot_bytes(uint32_t capacity)
{
	uint64_t bytes = FC_PRODUCE_PARTITION_HEAD_BYTES + (uint64_t)capacity;

	return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

uint32_t fc_batch_bytes(uint64_t buffer_bytes, uint32_t wanted_bytes, uint32_t open)
{
	// As many that wait and fly as may be filled at once, and eight at least, which keep a worker going. Those that
	// are kept and the target of compression come on top: no packet gets into them.
	uint64_t usable = RTE_MAX(2 * (uint64_t)open, (uint64_t)BATCHES_WANTED);
	uint64_t share = buffer_bytes / (usable + KEPT_BATCHES + 1) / ALIGNMENT * ALIGNMENT;

	if (share >= slot_bytes(wanted_bytes))
		return wanted_bytes;
	return share > slot_bytes(BATCH_BYTES_MIN) ? (uint32_t)share - FC_PRODUCE_PARTITION_HEAD_BYTES
						   : BATCH_BYTES_MIN;
}

int fc_batch_pool_open(
	struct fc_batch_pool *pool, uint64_t buffer_bytes, uint32_t batch_bytes, uint32_t record_bytes_max)
{
	uint32_t large_bytes = record_bytes_max > batch_bytes ? record_bytes_max : 0;
	uint32_t larges = large_bytes > 0 ? LARGE_BATCHES : 0;
	uint64_t fixed = slot_bytes(batch_bytes) + larges * slot_bytes(large_bytes);
	uint64_t count, k;
	uint8_t *at;

	*pool = (struct fc_batch_pool){.batch_bytes = batch_bytes, .large_bytes = large_bytes};
	TAILQ_INIT(&pool->free);
	TAILQ_INIT(&pool->free_large);
	if (buffer_bytes < fixed + ORDINARY_MIN * slot_bytes(batch_bytes))
		return fc_error(EINVAL,
			"buffer memory is %llu bytes, batches of %u bytes need %llu at least; raise it or lower "
			"batch.size",
			(unsigned long long)buffer_bytes, batch_bytes,
			(unsigned long long)(fixed + ORDINARY_MIN * slot_bytes(batch_bytes)));
	count = (buffer_bytes - fixed) / slot_bytes(batch_bytes);
	pool->count = (uint32_t)count;
	pool->large_count = larges;
	pool->memory_bytes = fixed + count * slot_bytes(batch_bytes);
	pool->batches = calloc(count + larges, sizeof *pool->batches);
	// Populated: a page fault in the worker's loop would be a wait.
	pool->memory = mmap(
		NULL, pool->memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (pool->memory == MAP_FAILED)
		pool->memory = NULL;
	if (pool->batches == NULL || pool->memory == NULL) {
		fc_batch_pool_close(pool);
		return fc_error(ENOMEM, "no memory for %llu bytes of batches", (unsigned long long)buffer_bytes);
	}
	pool->spare = pool->memory;
	at = pool->memory + slot_bytes(batch_bytes);
	for (k = 0; k < count + larges; k++) {
		struct fc_batch *batch = &pool->batches[k];

		batch->large = k >= count;
		batch->capacity = batch->large ? large_bytes : batch_bytes;
		batch->memory = at;
		at += slot_bytes(batch->capacity);
		fc_batch_give_back(pool, batch);
	}
	return 0;
}

void fc_batch_pool_close(struct fc_batch_pool *pool)
{
	if (pool->memory != NULL)
		munmap(pool->memory, pool->memory_bytes);
	free(pool->batches);
	pool->memory = NULL;
	pool->batches = NULL;
}

static struct fc_batch *take(struct fc_batch_pool *pool, struct fc_batch_list *list)
{
	struct fc_batch *batch = TAILQ_FIRST(list);

	if (batch == NULL)
		return NULL;
	TAILQ_REMOVE(list, batch, link);
	pool->free_count -= !batch->large;
	pool->free_large_count -= batch->large;
	batch->sequenced = false;
	batch->sent = false;
	batch->perhaps_written = false;
	batch->origin = NULL;
	fc_record_batch_open(&batch->records, batch->memory + FC_PRODUCE_PARTITION_HEAD_BYTES, batch->capacity);
	return batch;
}

struct fc_batch *fc_batch_take(struct fc_batch_pool *pool, uint64_t bytes)
{
	if (bytes > pool->batch_bytes)
		return bytes <= pool->large_bytes ? take(pool, &pool->free_large) : NULL;
	return pool->free_count > KEPT_BATCHES ? take(pool, &pool->free) : NULL;
}

uint32_t fc_batch_pool_permille(const struct fc_batch_pool *pool)
{
	uint32_t most = pool->count - KEPT_BATCHES;

	return (uint32_t)((uint64_t)RTE_MIN(pool->count - pool->free_count, most) * 1000 / most);
}

uint32_t fc_batch_available(const struct fc_batch_pool *pool, bool large)
{
	if (large)
		return pool->free_large_count;
	return pool->free_count > KEPT_BATCHES ? pool->free_count - KEPT_BATCHES : 0;
}

bool fc_batch_are_scarce(const struct fc_batch_pool *pool)
{
	return pool->free_count < KEPT_BATCHES + (pool->count - KEPT_BATCHES) / 2;
}

bool fc_batch_kept_whole(const struct fc_batch_pool *pool)
{
	return pool->free_count >= KEPT_BATCHES;
}

struct fc_batch *fc_batch_take_kept(struct fc_batch_pool *pool)
{
	return take(pool, &pool->free);
}

void fc_batch_give_back(struct fc_batch_pool *pool, struct fc_batch *batch)
{
	pool->free_count += !batch->large;
	pool->free_large_count += batch->large;
	if (batch->large)
		TAILQ_INSERT_HEAD(&pool->free_large, batch, link);
	else
		TAILQ_INSERT_HEAD(&pool->free, batch, link);
}
