#include "topic.h"

#include <errno.h>
#include <stdlib.h>

#include "../error.h"

int fc_topic_open(struct fc_topic *topic)
{
	topic->leaders = calloc(FC_PARTITIONS_MAX, sizeof *topic->leaders);
	return topic->leaders != NULL ? 0 : fc_error(ENOMEM, "out of memory");
}

void fc_topic_close(struct fc_topic *topic)
{
	free((void *)topic->leaders);
	topic->leaders = NULL;
}

int fc_topic_publish(struct fc_topic *topic, const int32_t *leaders, int32_t partitions, uint32_t batch_bytes_max)
{
	int32_t before = atomic_load_explicit(&topic->partitions, memory_order_relaxed), k;

	if (partitions < 1 || partitions > FC_PARTITIONS_MAX)
		return fc_error(EINVAL, "the topic has %d partitions, the direct producer takes 1 to %d", partitions,
			FC_PARTITIONS_MAX);
	for (k = 0; k < partitions; k++)
		atomic_store_explicit(&topic->leaders[k], leaders[k], memory_order_relaxed);
	// A topic that was made again with fewer partitions: batches may be waiting for those that are gone.
	for (; k < before; k++)
		atomic_store_explicit(&topic->leaders[k], FC_NODE_NONE, memory_order_relaxed);
	atomic_store_explicit(&topic->partitions, partitions > before ? partitions : before, memory_order_relaxed);
	atomic_store_explicit(&topic->batch_bytes_max, batch_bytes_max, memory_order_relaxed);
	atomic_fetch_add_explicit(&topic->generation, 1, memory_order_release);
	return 0;
}
