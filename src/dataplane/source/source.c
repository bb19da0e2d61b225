#include "source.h"

#include <errno.h>
#include <rte_errno.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_mempool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"

enum { POOL_CACHE = 256 };

static const struct fc_source_ops *const ops_of_kind[] = {
	[FC_SOURCE_FILE] = &fc_source_file,
	[FC_SOURCE_INTERFACE] = &fc_source_interface,
	[FC_SOURCE_ETHDEV] = &fc_source_ethdev,
	[FC_SOURCE_MEMORY] = &fc_source_memory,
};

int fc_source_pool(struct fc_source *s, bool dma)
{
	static unsigned number; // names are unique in a process
	char name[RTE_MEMPOOL_NAMESIZE];
	struct rte_pktmbuf_pool_private private = {.mbuf_data_room_size = RTE_MBUF_DEFAULT_BUF_SIZE};
	int made = -ENOMEM;

	snprintf(name, sizeof name, "fc_packets_%u", number++);
	// In ordinary pages a pool gives each buffer a page of its own, so that a device finds it in one piece. Where
	// no device writes they lie close together instead: at the same place of each page, all of them would compete
	// for the same few sets of the caches.
	s->pool = rte_mempool_create_empty(name, s->mbufs, sizeof(struct rte_mbuf) + RTE_MBUF_DEFAULT_BUF_SIZE,
		POOL_CACHE, sizeof private, s->numa_node, dma ? 0 : RTE_MEMPOOL_F_NO_IOVA_CONTIG);
	if (s->pool != NULL) {
		rte_mempool_set_ops_byname(s->pool, rte_mbuf_best_mempool_ops(), NULL);
		rte_pktmbuf_pool_init(s->pool, &private);
		made = rte_mempool_populate_default(s->pool);
	}
	if (made < 0)
		return fc_error(
			-made, "cannot allocate %u packet buffers for %s: %s", s->mbufs, s->name, rte_strerror(-made));
	rte_mempool_obj_iter(s->pool, rte_pktmbuf_init, NULL);
	return 0;
}

int fc_source_open(struct fc_source *s, const struct fc_source_config *config, struct fc_events *events)
{
	int error;

	*s = (struct fc_source){
		.ops = ops_of_kind[config->kind],
		.rx_queues = config->rx_queues,
		.snaplen = config->snaplen,
		.mbufs = config->mbufs,
		.numa_node = config->numa_node < 0 ? SOCKET_ID_ANY : config->numa_node,
		.events = events,
		.backoff = config->backoff,
	};
	if (snprintf(s->name, sizeof s->name, "%s", config->name) >= (int)sizeof s->name)
		return fc_error(ENAMETOOLONG, "source name longer than %d bytes", FC_SOURCE_NAME_BYTES - 1);
	s->exclude = strdup(config->exclude != NULL ? config->exclude : "");
	error = s->exclude != NULL ? s->ops->open(s, config) : fc_error(ENOMEM, "%s: out of memory", s->name);
	if (error != 0)
		fc_source_close(s);
	return error;
}

uint64_t fc_source_close(struct fc_source *s)
{
	uint64_t missing = 0;

	if (s->ops != NULL)
		s->ops->close(s);
	if (s->pool != NULL) {
		missing = s->mbufs - rte_mempool_avail_count(s->pool);
		if (missing == s->driver_mbufs)
			missing = 0;
		// A buffer that somebody still holds must not point into freed memory.
		if (missing == 0)
			rte_mempool_free(s->pool);
	}
	free(s->exclude);
	*s = (struct fc_source){0};
	return missing;
}
