// Packet buffers without an EAL: a pool in ordinary memory whose free list is a stack behind a mutex, so that the
// thread sanitizer sees every hand-over of a buffer.
#ifndef RACE_MEMORY_POOL_H
#define RACE_MEMORY_POOL_H

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <stdlib.h>
#include <string.h>

struct race_stack {
	pthread_mutex_t mutex; // guards all below
	unsigned count;
	void *free[];
};

static int race_enqueue(struct rte_mempool *pool, void *const *objects, unsigned n)
{
	struct race_stack *stack = pool->pool_data;

	pthread_mutex_lock(&stack->mutex);
	memcpy(&stack->free[stack->count], objects, n * sizeof *objects);
	stack->count += n;
	pthread_mutex_unlock(&stack->mutex);
	return 0;
}

static int race_dequeue(struct rte_mempool *pool, void **objects, unsigned n)
{
	struct race_stack *stack = pool->pool_data;
	bool enough;

	pthread_mutex_lock(&stack->mutex);
	enough = stack->count >= n;
	if (enough) {
		stack->count -= n;
		memcpy(objects, &stack->free[stack->count], n * sizeof *objects);
	}
	pthread_mutex_unlock(&stack->mutex);
	return enough ? 0 : -ENOBUFS;
}

static unsigned race_count(const struct rte_mempool *pool)
{
	return ((const struct race_stack *)pool->pool_data)->count;
}

static int race_alloc(struct rte_mempool *pool)
{
	(void)pool;
	return 0;
}

static void race_free(struct rte_mempool *pool)
{
	(void)pool;
}

static const struct rte_mempool_ops race_pool_ops = {
	.name = "race",
	.alloc = race_alloc,
	.free = race_free,
	.enqueue = race_enqueue,
	.dequeue = race_dequeue,
	.get_count = race_count,
};
RTE_MEMPOOL_REGISTER_OPS(race_pool_ops);

// A pool of so many buffers; the caller frees it with race_pool_free().
static struct rte_mempool *race_pool(unsigned buffers)
{
	size_t head = RTE_CACHE_LINE_ROUNDUP(sizeof(struct rte_mempool) + sizeof(struct rte_pktmbuf_pool_private));
	size_t each = sizeof(struct rte_mbuf) + RTE_MBUF_DEFAULT_BUF_SIZE;
	size_t stride = RTE_CACHE_LINE_ROUNDUP(sizeof(struct rte_mempool_objhdr)) + RTE_CACHE_LINE_ROUNDUP(each);
	uint8_t *memory = aligned_alloc(RTE_CACHE_LINE_SIZE, head + buffers * stride);
	struct rte_mempool *pool = (struct rte_mempool *)memory;
	unsigned k;

	assert(memory != NULL);
	memset(memory, 0, head + buffers * stride);
	pool->size = buffers;
	pool->elt_size = (uint32_t)each;
	pool->private_data_size = sizeof(struct rte_pktmbuf_pool_private);
	((struct rte_pktmbuf_pool_private *)rte_mempool_get_priv(pool))->mbuf_data_room_size =
		RTE_MBUF_DEFAULT_BUF_SIZE;
	assert(rte_mempool_set_ops_byname(pool, race_pool_ops.name, NULL) == 0);
	pool->pool_data = calloc(1, sizeof(struct race_stack) + buffers * sizeof(void *));
	assert(pool->pool_data != NULL);
	pthread_mutex_init(&((struct race_stack *)pool->pool_data)->mutex, NULL);
	for (k = 0; k < buffers; k++) {
		void *object = memory + head + (k + 1) * stride - RTE_CACHE_LINE_ROUNDUP(each);

		rte_pktmbuf_init(pool, NULL, object, k);
		assert(race_enqueue(pool, &object, 1) == 0);
	}
	return pool;
}

static void race_pool_free(struct rte_mempool *pool)
{
	free(pool->pool_data);
	free(pool);
}

#endif
