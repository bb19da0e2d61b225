// Source: a DPDK device, named by devargs: a NIC by its PCI address, or any virtual device.
#include "ethdev.h"

#include <errno.h>
#include <rte_errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "../../error.h"
#include "../../packet.h"
#include "../../stats/counter.h"
#include "vlan.h"

static int ethdev_open(struct fc_source *s, const struct fc_source_config *config)
{
	struct fc_ethdev *e;
	uint16_t queue;
	int error;

	e = s->state = calloc(1, sizeof *e);
	if (e == NULL)
		return fc_error(ENOMEM, "%s: out of memory", s->name);
	e->driver = fc_driver_find("");
	e->queues = aligned_alloc(RTE_CACHE_LINE_SIZE, config->rx_queues * sizeof *e->queues);
	if (e->queues == NULL)
		return fc_error(ENOMEM, "%s: out of memory", s->name);
	for (queue = 0; queue < config->rx_queues; queue++)
		e->queues[queue] = (struct fc_ethdev_queue){.drain_left = UINT32_MAX};
	e->descriptors = config->rx_descriptors;
	atomic_init(&e->queues_open, config->rx_queues);
	s->jit_filter = true;
	error = fc_ethdev_attach(s, e);
	if (error == 0)
		error = fc_ethdev_configure(s, e, config);
	return error;
}

static void choose_clock(struct fc_source *s, struct fc_ethdev *e)
{
	uint64_t hz;

	if (!fc_hw_clock_start(&e->clock, e->port)) {
		strcpy(s->clock, "rx worker's clock, per fetch, 1 ns");
		return;
	}
	hz = fc_ticks_hz(&e->clock.ticks);
	snprintf(s->clock, sizeof s->clock, "device's clock at %.3f MHz, %.3g ns", (double)hz / 1e6, 1e9 / (double)hz);
}

// The whole port starts with its first queue.
static int ethdev_start(struct fc_source *s, uint16_t queue, const struct fc_kernel_filter *filter)
{
	struct fc_ethdev *e = s->state;
	int error;

	(void)filter;
	if (queue > 0)
		return 0;
	error = rte_eth_dev_start(e->port);
	if (error != 0)
		return fc_error(-error, "%s: cannot start: %s", s->name, rte_strerror(-error));
	e->started = true;
	// What a device counted before us is not ours.
	fc_hidden_start(&e->hidden, e->if_index);
	rte_eth_stats_get(e->port, &e->before);
	s->driver_mbufs = rte_mempool_in_use_count(s->pool);
	fc_ethdev_rss_report(s, e);
	fc_ethdev_link_open(s, e);
	choose_clock(s, e);
	return 0;
}

// The last queue to end takes the device's final figures.
static int end_queue(struct fc_source *s, struct fc_ethdev *e, uint16_t queue, int how)
{
	if (e->queues[queue].ended)
		return how;
	e->queues[queue].ended = true;
	if (atomic_fetch_sub(&e->queues_open, 1) == 1) {
		fc_ethdev_stats(s, e, &e->final);
		atomic_store(&e->final_valid, true);
	}
	return how;
}

// A packet is as long as its segments, whatever the driver says: room is made by the length of the whole, and copies go
// by that of the parts (net_pcap keeps 16 bits of the length of the whole).
static void mend_length(struct rte_mbuf *m)
{
	const struct rte_mbuf *segment;

	m->pkt_len = m->data_len;
	for (segment = m->next; unlikely(segment != NULL); segment = segment->next)
		m->pkt_len += segment->data_len;
}

static void complete(const struct fc_ethdev *e, struct rte_mbuf *m)
{
	struct fc_packet *packet = fc_packet(m);

	mend_length(m);
	if (unlikely((m->ol_flags & FC_VLAN_STRIPPED) != 0))
		fc_vlan_restore(m);
	packet->original_bytes = m->pkt_len;
	packet->time_ns = e->clock.on ? fc_hw_clock_ns(&e->clock, m) : 0;
}

static int ethdev_rx_burst(struct fc_source *s, uint16_t queue, struct rte_mbuf **packets, uint16_t n)
{
	struct fc_ethdev *e = s->state;
	struct fc_ethdev_queue *q = &e->queues[queue];
	uint16_t count, k;

	if (q->drain_left == 0)
		return end_queue(s, e, queue, FC_RX_END);
	count = rte_eth_rx_burst(e->port, queue, packets, n);
	for (k = 0; k < count; k++)
		complete(e, packets[k]);
	fc_counter_add(&q->fetched, count);
	if (q->drain_left != UINT32_MAX)
		q->drain_left = count == 0 ? 0 : q->drain_left - RTE_MIN(q->drain_left, count);
	// What the device still holds after it is gone is ours.
	if (unlikely(count == 0 && atomic_load_explicit(&e->removed, memory_order_relaxed))) {
		if (queue == 0 && !q->ended)
			fc_event(s->events, LOG_ERR, "%s: the device is gone", s->name);
		return end_queue(s, e, queue, FC_RX_FAILED);
	}
	return count;
}

static void ethdev_stop_intake(struct fc_source *s, uint16_t queue)
{
	struct fc_ethdev *e = s->state;

	e->queues[queue].drain_left = e->descriptors;
}

static void ethdev_stats(struct fc_source *s, struct fc_source_row *row)
{
	struct fc_ethdev *e = s->state;

	if (atomic_load(&e->final_valid))
		*row = e->final;
	else
		fc_ethdev_stats(s, e, row);
}

static bool ethdev_losses(struct fc_source *s, uint16_t queue, struct fc_source_row *row)
{
	struct fc_ethdev *e = s->state;

	row->missed += atomic_load_explicit(&e->queues[queue].missed, memory_order_relaxed);
	row->errors += atomic_load_explicit(&e->queues[queue].errors, memory_order_relaxed);
	row->no_mbuf += atomic_load_explicit(&e->queues[queue].no_mbuf, memory_order_relaxed);
	return atomic_load_explicit(&e->losses_per_queue, memory_order_relaxed);
}

static size_t ethdev_xstats(struct fc_source *s, struct fc_xstat *rows, size_t max)
{
	return fc_ethdev_xstats(s->state, rows, max);
}

static void ethdev_watch(struct fc_source *s)
{
	struct fc_ethdev *e = s->state;

	struct fc_source_row row;

	fc_ethdev_link_look(s, e);
	fc_hw_clock_look(&e->clock, e->port);
	ethdev_stats(s, &row); // for what is lost per queue: workers number their packets by it
}

static void ethdev_close(struct fc_source *s)
{
	struct fc_ethdev *e = s->state;
	struct rte_eth_dev_info info;

	if (e == NULL)
		return;
	if (e->started) {
		fc_ethdev_link_close(e);
		rte_eth_dev_stop(e->port);
	}
	if (e->attached && rte_eth_dev_info_get(e->port, &info) == 0) {
		rte_eth_dev_close(e->port);
		rte_dev_remove(info.device);
	}
	free(e->queues);
	free(e);
}

const struct fc_source_ops fc_source_ethdev = {
	.open = ethdev_open,
	.start = ethdev_start,
	.rx_burst = ethdev_rx_burst,
	.stop_intake = ethdev_stop_intake,
	.stats = ethdev_stats,
	.losses = ethdev_losses,
	.xstats = ethdev_xstats,
	.watch = ethdev_watch,
	.close = ethdev_close,
};
