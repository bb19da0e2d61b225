// Source: frames that are in memory already, for `fastcapa bench`. Nothing is lost here: the rx worker waits.
//
// The pool's buffers are filled once, at open, each with a frame of a flow of its own. rx_burst then does what a NIC's
// driver does, no more and no less: it takes buffers from the pool, which DMA would have filled, and writes their
// lengths. The frames stay what they are, as nobody behind the source writes into a packet's bytes.
//
// Buffers go round through all queues, so a flow is not kept to one of them.
#include <errno.h>
#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mempool.h>
#include <rte_udp.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"
#include "../packet.h"
#include "../stats/counter.h"
#include "source.h"

struct headers {
	struct rte_ether_hdr ethernet;
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
};
_Static_assert(sizeof(struct headers) == 42, "as they are on the wire, nothing in between");

enum {
	FRAME_BYTES_MIN = 60, // Ethernet's, without the frame check sequence
	FRAME_BYTES_MAX = RTE_MBUF_DEFAULT_DATAROOM,
	PORT_BASE = 1024,
	PORTS = 60000,
	PAYLOAD_RUN = 32, // bytes that a compressor can do nothing with, and as many that it likes, in turn
};

struct queue {
	uint64_t left; // rx worker only
	uint64_t in;   // writer: rx worker; readers: any
} __rte_cache_aligned;

struct memory {
	uint32_t frame_bytes;
	struct queue *queues; // owned, s->rx_queues of them
};

// Payload like that of most protocols: half of it looks like noise, half of it is text. `seed` makes it a frame's own.
static void write_payload(uint8_t *payload, uint32_t bytes, uint64_t seed)
{
	static const char text[] = "Content-Type: application/json; charset=utf-8";
	uint64_t state = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t k;

	for (k = 0; k < bytes; k++) {
		// xorshift64 (Marsaglia, 2003)
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		payload[k] = k / PAYLOAD_RUN % 2 == 0 ? (uint8_t)(state >> 32) : (uint8_t)text[k % (sizeof text - 1)];
	}
}

// Called for each buffer of the pool: frame `index`, of the flow with this number.
static void write_frame(struct rte_mempool *pool, void *opaque, void *object, unsigned index)
{
	const uint32_t bytes = *(const uint32_t *)opaque;
	struct rte_mbuf *m = object;
	uint8_t *frame = (uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM;
	struct headers headers = {
		.ethernet =
			{
				.dst_addr.addr_bytes = {2, 0, 0, 0, 0, 2},
				.src_addr.addr_bytes = {2, 0, 0, 0, 0, 1},
				.ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4),
			},
		.ip =
			{
				.version_ihl = RTE_IPV4_VHL_DEF,
				.total_length = rte_cpu_to_be_16((uint16_t)(bytes - sizeof headers.ethernet)),
				.packet_id = rte_cpu_to_be_16((uint16_t)index),
				.time_to_live = 64,
				.next_proto_id = IPPROTO_UDP,
				.src_addr = rte_cpu_to_be_32(RTE_IPV4(10, 0, 0, 0) + index % 65521),
				.dst_addr = rte_cpu_to_be_32(RTE_IPV4(UINT32_C(192), 0, 2, 1)), // RFC 5737
			},
		.udp =
			{
				.src_port = rte_cpu_to_be_16((uint16_t)(PORT_BASE + index % PORTS)),
				.dst_port = rte_cpu_to_be_16(443),
				.dgram_len = rte_cpu_to_be_16(
					(uint16_t)(bytes - sizeof headers.ethernet - sizeof headers.ip)),
				.dgram_cksum = 0, // RFC 768: none was made
			},
	};

	(void)pool;
	headers.ip.hdr_checksum = rte_ipv4_cksum(&headers.ip);
	memcpy(frame, &headers, sizeof headers);
	write_payload(frame + sizeof headers, bytes - (uint32_t)sizeof headers, index);
}

static int memory_open(struct fc_source *s, const struct fc_source_config *config)
{
	struct memory *m;
	uint16_t queue;
	int error;

	if (config->frame_bytes < FRAME_BYTES_MIN || config->frame_bytes > FRAME_BYTES_MAX)
		return fc_error(EINVAL, "%s: frames of %u bytes, allowed are %d to %d", s->name, config->frame_bytes,
			FRAME_BYTES_MIN, FRAME_BYTES_MAX);
	m = s->state = calloc(1, sizeof *m);
	if (m == NULL)
		return fc_error(ENOMEM, "%s: out of memory", s->name);
	m->queues = aligned_alloc(RTE_CACHE_LINE_SIZE, s->rx_queues * sizeof *m->queues);
	if (m->queues == NULL)
		return fc_error(ENOMEM, "%s: out of memory", s->name);
	m->frame_bytes = config->frame_bytes;
	for (queue = 0; queue < s->rx_queues; queue++)
		m->queues[queue] = (struct queue){
			.left = config->packets / s->rx_queues + (queue < config->packets % s->rx_queues),
		};
	s->waits = true;
	strcpy(s->clock, "rx worker's clock, once a burst");
	error = fc_source_pool(s, false);
	if (error == 0)
		rte_mempool_obj_iter(s->pool, write_frame, &m->frame_bytes);
	return error;
}

static int memory_start(struct fc_source *s, uint16_t queue, const struct fc_kernel_filter *filter)
{
	(void)s;
	(void)queue;
	(void)filter;
	return 0;
}

static int memory_rx_burst(struct fc_source *s, uint16_t queue, struct rte_mbuf **packets, uint16_t n)
{
	const struct memory *m = s->state;
	struct queue *q = &m->queues[queue];
	uint16_t count = (uint16_t)RTE_MIN(n, q->left), k;

	if (count == 0)
		return FC_RX_END;
	if (rte_mempool_get_bulk(s->pool, (void **)packets, count) != 0)
		return 0; // they are all on their way: come back
	// They come from another CPU's caches. A driver refills its queue long before it uses it: its misses overlap
	// too.
	for (k = 0; k < count; k++) {
		__builtin_prefetch(packets[k], 1);
		__builtin_prefetch(fc_packet(packets[k]), 1);
	}
	for (k = 0; k < count; k++) {
		rte_pktmbuf_reset(packets[k]);
		packets[k]->data_len = (uint16_t)m->frame_bytes;
		packets[k]->pkt_len = m->frame_bytes;
		fc_packet(packets[k])->original_bytes = m->frame_bytes;
	}
	q->left -= count;
	fc_counter_add(&q->in, count);
	return count;
}

static void memory_stop_intake(struct fc_source *s, uint16_t queue)
{
	((struct memory *)s->state)->queues[queue].left = 0;
}

static void memory_stats(struct fc_source *s, struct fc_source_row *row)
{
	const struct memory *m = s->state;
	uint16_t queue;

	*row = (struct fc_source_row){0};
	for (queue = 0; queue < s->rx_queues; queue++)
		row->in += fc_counter_read(&m->queues[queue].in);
}

// Nothing is ever lost here, which is known.
static bool memory_losses(struct fc_source *s, uint16_t queue, struct fc_source_row *row)
{
	(void)s;
	(void)queue;
	(void)row;
	return true;
}

static void memory_close(struct fc_source *s)
{
	struct memory *m = s->state;

	if (m == NULL)
		return;
	free(m->queues);
	free(m);
}

const struct fc_source_ops fc_source_memory = {
	.open = memory_open,
	.start = memory_start,
	.rx_burst = memory_rx_burst,
	.stop_intake = memory_stop_intake,
	.stats = memory_stats,
	.losses = memory_losses,
	.close = memory_close,
};
