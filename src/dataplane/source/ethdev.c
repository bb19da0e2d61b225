// Source: a DPDK device, named by devargs: a NIC by its PCI address, or any virtual device.
#include <errno.h>
#include <inttypes.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "../error.h"
#include "../packet.h"
#include "source.h"

// Drain: what stood in a queue when the intake ended is at most its descriptors; a device that goes on receiving (or
// makes packets up, as net_null does) must not keep the drain from ending.
struct ethdev {
	uint16_t port;
	bool attached; // probed by us, to be removed by us
	bool started;
	uint16_t descriptors;
	uint32_t *drain_left; // packets, per queue; UINT32_MAX while running; writer and reader: the queue's rx worker
	// A device counts on after its last packet was fetched: the figures of that moment are the final ones.
	_Atomic uint16_t queues_open; // writers: rx workers
	struct fc_source_row final;   // writer: the last rx worker to end
	atomic_bool final_valid;
};

static int find_port(const char *devargs, uint16_t *port)
{
	struct rte_dev_iterator iterator;
	uint16_t id, found = RTE_MAX_ETHPORTS;

	RTE_ETH_FOREACH_MATCHING_DEV(id, devargs, &iterator)
	{
		found = id;
		rte_eth_iterator_cleanup(&iterator);
		break;
	}
	*port = found;
	return found == RTE_MAX_ETHPORTS ? -ENODEV : 0;
}

// Drivers of virtual devices return -1 for whatever goes wrong, which is no error number.
static const char *probe_problem(int error)
{
	switch (error) {
	case -EFAULT:
		return "no driver takes it";
	case -1:
		return "its driver refuses it";
	default:
		return rte_strerror(-error);
	}
}

static int attach(struct fc_source *s, struct ethdev *e)
{
	struct rte_eth_dev_owner owner = {.name = "fastcapa"};
	int error = 0;

	// The EAL has probed the PCI devices of --allow by itself; what is not there yet is probed now.
	if (find_port(s->name, &e->port) != 0)
		error = rte_dev_probe(s->name);
	if (error != 0)
		return fc_error(-error,
			"cannot open DPDK device '%s': %s; is it bound to its driver, and are the devargs right?",
			s->name, probe_problem(error));
	if (find_port(s->name, &e->port) != 0)
		return fc_error(ENODEV, "DPDK device '%s' has no Ethernet port", s->name);
	error = rte_eth_dev_owner_new(&owner.id);
	if (error == 0)
		error = rte_eth_dev_owner_set(e->port, &owner);
	if (error != 0) // -EPERM: another of our sources owns it
		return fc_error(EBUSY, "device %s is given twice", s->name);
	e->attached = true;
	return 0;
}

static int check_limits(struct fc_source *s, const struct rte_eth_dev_info *info, uint16_t descriptors)
{
	const struct rte_eth_desc_lim *limit = &info->rx_desc_lim;

	if (s->rx_queues > info->max_rx_queues)
		return fc_error(EINVAL, "%s: %u rx queues asked for, the device has %u", s->name, s->rx_queues,
			info->max_rx_queues);
	// Virtual devices without descriptors report no limit at all.
	if (limit->nb_max == 0)
		return 0;
	if (descriptors < limit->nb_min || descriptors > limit->nb_max)
		return fc_error(EINVAL, "%s: %u rx descriptors asked for, the device takes %u to %u", s->name,
			descriptors, limit->nb_min, limit->nb_max);
	if (limit->nb_align > 1 && descriptors % limit->nb_align != 0)
		return fc_error(EINVAL, "%s: %u rx descriptors asked for, the device takes multiples of %u", s->name,
			descriptors, limit->nb_align);
	return 0;
}

static int configure(struct fc_source *s, struct ethdev *e, const struct rte_eth_dev_info *info)
{
	struct rte_eth_conf conf = {0};
	// Some drivers want queues in pairs (af_xdp), some have no tx queue at all.
	uint16_t tx_queues = s->rx_queues < info->max_tx_queues ? s->rx_queues : info->max_tx_queues;
	uint16_t queue;
	int error;

	// A frame larger than one packet buffer then comes in several segments.
	conf.rxmode.offloads = info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	error = rte_eth_dev_configure(e->port, s->rx_queues, tx_queues, &conf);
	if (error != 0)
		return fc_error(
			-error, "%s: cannot configure %u rx queues: %s", s->name, s->rx_queues, rte_strerror(-error));
	for (queue = 0; queue < s->rx_queues; queue++) {
		error = rte_eth_rx_queue_setup(e->port, queue, e->descriptors, (unsigned)s->numa_node, NULL, s->pool);
		if (error != 0)
			return fc_error(-error,
				"%s: cannot set up rx queue %u with %u descriptors: %s; the driver names no limit, try "
				"fewer",
				s->name, queue, e->descriptors, rte_strerror(-error));
	}
	for (queue = 0; queue < tx_queues; queue++) {
		error = rte_eth_tx_queue_setup(e->port, queue, e->descriptors, (unsigned)s->numa_node, NULL);
		if (error != 0)
			return fc_error(
				-error, "%s: cannot set up tx queue %u: %s", s->name, queue, rte_strerror(-error));
	}
	return 0;
}

static int ethdev_open(struct fc_source *s, const struct fc_source_config *config)
{
	struct rte_eth_dev_info info;
	struct ethdev *e;
	int error;

	e = s->state = calloc(1, sizeof *e);
	if (e == NULL)
		return fc_error(ENOMEM, "%s: out of memory", s->name);
	e->drain_left = malloc(config->rx_queues * sizeof *e->drain_left);
	if (e->drain_left == NULL)
		return fc_error(ENOMEM, "%s: out of memory", s->name);
	memset(e->drain_left, 0xff, config->rx_queues * sizeof *e->drain_left);
	e->descriptors = config->rx_descriptors;
	atomic_init(&e->queues_open, config->rx_queues);
	error = attach(s, e);
	if (error != 0)
		return error;
	error = rte_eth_dev_info_get(e->port, &info);
	if (error != 0)
		return fc_error(-error, "%s: the device tells nothing about itself: %s", s->name, rte_strerror(-error));
	error = check_limits(s, &info, e->descriptors);
	if (error != 0)
		return error;
	s->numa_node = rte_eth_dev_socket_id(e->port);
	strcpy(s->clock, "rx worker's clock, once a burst");
	error = fc_source_pool(s);
	if (error == 0)
		error = configure(s, e, &info);
	if (error == 0 && config->promiscuous) {
		error = rte_eth_promiscuous_enable(e->port);
		if (error != 0)
			fc_event(s->events, LOG_WARNING, "%s: no promiscuous mode: %s", s->name, rte_strerror(-error));
		error = 0;
	}
	return error;
}

// The whole port starts with its first queue.
static int ethdev_start(struct fc_source *s, uint16_t queue, const char *filter)
{
	struct ethdev *e = s->state;
	int error;

	(void)filter;
	if (queue > 0)
		return 0;
	error = rte_eth_dev_start(e->port);
	if (error != 0)
		return fc_error(-error, "%s: cannot start: %s", s->name, rte_strerror(-error));
	e->started = true;
	rte_eth_stats_reset(e->port); // what a device counted before us is not ours
	s->driver_mbufs = rte_mempool_in_use_count(s->pool);
	return 0;
}

static void read_stats(struct ethdev *e, struct fc_source_row *row)
{
	struct rte_eth_stats stats = {0};

	rte_eth_stats_get(e->port, &stats);
	*row = (struct fc_source_row){
		.in = stats.ipackets + stats.imissed + stats.ierrors + stats.rx_nombuf,
		.missed = stats.imissed,
		.errors = stats.ierrors,
		.no_mbuf = stats.rx_nombuf,
	};
}

static int ethdev_rx_burst(struct fc_source *s, uint16_t queue, struct rte_mbuf **packets, uint16_t n)
{
	struct ethdev *e = s->state;
	uint32_t *left = &e->drain_left[queue];
	uint16_t count, k;

	if (*left == 0) {
		if (atomic_fetch_sub(&e->queues_open, 1) == 1) {
			read_stats(e, &e->final);
			atomic_store(&e->final_valid, true);
		}
		return FC_RX_END;
	}
	count = rte_eth_rx_burst(e->port, queue, packets, n);
	for (k = 0; k < count; k++)
		fc_packet(packets[k])->original_bytes = packets[k]->pkt_len;
	if (*left != UINT32_MAX)
		*left = count == 0 ? 0 : *left - RTE_MIN(*left, count);
	return count;
}

static void ethdev_stop_intake(struct fc_source *s, uint16_t queue)
{
	struct ethdev *e = s->state;

	e->drain_left[queue] = e->descriptors;
}

static void ethdev_stats(struct fc_source *s, struct fc_source_row *row)
{
	struct ethdev *e = s->state;

	if (atomic_load(&e->final_valid))
		*row = e->final;
	else
		read_stats(e, row);
}

static void ethdev_close(struct fc_source *s)
{
	struct ethdev *e = s->state;
	struct rte_eth_dev_info info;

	if (e == NULL)
		return;
	if (e->started)
		rte_eth_dev_stop(e->port);
	if (e->attached && rte_eth_dev_info_get(e->port, &info) == 0) {
		rte_eth_dev_close(e->port);
		rte_dev_remove(info.device);
	}
	free(e->drain_left);
	free(e);
}

const struct fc_source_ops fc_source_ethdev = {
	.open = ethdev_open,
	.start = ethdev_start,
	.rx_burst = ethdev_rx_burst,
	.stop_intake = ethdev_stop_intake,
	.stats = ethdev_stats,
	.close = ethdev_close,
};
