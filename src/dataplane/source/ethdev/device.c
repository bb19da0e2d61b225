// Opening a DPDK device: found or probed, checked against its limits, configured.
#include <errno.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <string.h>
#include <syslog.h>

#include "../../error.h"
#include "ethdev.h"

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

int fc_ethdev_attach(struct fc_source *s, struct fc_ethdev *e)
{
	struct rte_eth_dev_owner owner = {.name = "fastcapa"};
	int error = 0;

	fc_hidden_open(&e->hidden);
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

static int check_queues(const struct fc_source *s, const struct fc_ethdev *e, const struct rte_eth_dev_info *info)
{
	if (s->rx_queues <= info->max_rx_queues)
		return 0;
	if (e->driver->queues != NULL)
		return fc_error(EINVAL, "%s: %u rx queues asked for, the device has %u; its devargs give it more (%s)",
			s->name, s->rx_queues, info->max_rx_queues, e->driver->queues);
	return fc_error(EINVAL, "%s: %u rx queues asked for, the device has %u; give --rx-queues %u or fewer", s->name,
		s->rx_queues, info->max_rx_queues, info->max_rx_queues);
}

static int check_descriptors(const struct fc_source *s, const struct rte_eth_dev_info *info, uint16_t descriptors)
{
	const struct rte_eth_desc_lim *limit = &info->rx_desc_lim;

	// Virtual devices without descriptors report no limit at all.
	if (limit->nb_max == 0)
		return 0;
	if (descriptors < limit->nb_min || descriptors > limit->nb_max)
		return fc_error(EINVAL, "%s: --rx-descriptors %u asked for, the device takes %u to %u", s->name,
			descriptors, limit->nb_min, limit->nb_max);
	if (limit->nb_align > 1 && descriptors % limit->nb_align != 0)
		return fc_error(EINVAL,
			"%s: --rx-descriptors %u asked for, the device takes multiples of %u, such as %u", s->name,
			descriptors, limit->nb_align, descriptors - descriptors % limit->nb_align);
	return 0;
}

// Some drivers write a frame into one buffer without looking at its size.
static int check_buffers(const struct fc_source *s, const struct fc_ethdev *e)
{
	uint32_t frame_bytes = fc_driver_frame_bytes(e->driver, s->name);
	uint32_t room = RTE_MBUF_DEFAULT_DATAROOM;

	if (frame_bytes <= room)
		return 0;
	return fc_error(EINVAL,
		"%s: %s takes frames of %u bytes in one piece, a packet buffer has %u; give %s%u or less", s->name,
		e->driver->name, frame_bytes, room, e->driver->frame_bytes_arg, room);
}

// What a frame has beside its payload, as ethdev reckons it.
static uint32_t overhead_bytes(const struct rte_eth_dev_info *info)
{
	if (info->max_mtu != UINT16_MAX && info->max_rx_pktlen > info->max_mtu)
		return info->max_rx_pktlen - info->max_mtu;
	return RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
}

// Jumbo frames as far as the device goes; in several segments when they are larger than a packet buffer.
static void set_frame_size(
	struct fc_source *s, const struct fc_ethdev *e, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	bool scatters = (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) != 0;
	bool limited = info->max_rx_pktlen != UINT32_MAX && !e->driver->longer_frames;
	uint32_t overhead = overhead_bytes(info), mtu = RTE_MIN((uint32_t)FC_ETHDEV_MTU, info->max_mtu);
	uint32_t room = rte_pktmbuf_data_room_size(s->pool) - RTE_PKTMBUF_HEADROOM;
	const char *why = "its driver's limit";

	if (info->max_rx_pktlen != UINT32_MAX)
		mtu = RTE_MIN(mtu, info->max_rx_pktlen - overhead);
	if (scatters && (mtu + overhead > room || e->driver->longer_frames))
		conf->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
	if (!scatters && limited && mtu + overhead > room) {
		mtu = room - overhead;
		why = "a packet buffer's, and it has no scattered rx";
	}
	conf->rxmode.mtu = mtu;
	if (limited && mtu < FC_ETHDEV_MTU)
		fc_event(s->events, LOG_INFO, "%s: takes frames of up to %u bytes (%s)", s->name,
			mtu + overhead - RTE_ETHER_CRC_LEN, why);
}

static int set_up_queues(struct fc_source *s, struct fc_ethdev *e, uint16_t tx_queues)
{
	uint16_t queue;
	int error;

	for (queue = 0; queue < s->rx_queues; queue++) {
		error = rte_eth_rx_queue_setup(e->port, queue, e->descriptors, (unsigned)s->numa_node, NULL, s->pool);
		if (error != 0)
			return fc_error(-error,
				"%s: cannot set up rx queue %u with %u descriptors: %s; the driver names no limit, try "
				"fewer",
				s->name, queue, e->descriptors, rte_strerror(-error));
		fc_hidden_collect(&e->hidden, e->driver->hidden);
	}
	for (queue = 0; queue < tx_queues; queue++) {
		error = rte_eth_tx_queue_setup(e->port, queue, e->descriptors, (unsigned)s->numa_node, NULL);
		if (error != 0)
			return fc_error(
				-error, "%s: cannot set up tx queue %u: %s", s->name, queue, rte_strerror(-error));
	}
	return 0;
}

// Only what the wire has is wanted: every address, and tags where they were.
static void set_reception(struct fc_source *s, struct fc_ethdev *e, bool promiscuous)
{
	int vlan = rte_eth_dev_get_vlan_offload(e->port), error;

	if (vlan > 0 && (vlan & (RTE_ETH_VLAN_STRIP_OFFLOAD | RTE_ETH_QINQ_STRIP_OFFLOAD)) != 0)
		rte_eth_dev_set_vlan_offload(
			e->port, vlan & ~(RTE_ETH_VLAN_STRIP_OFFLOAD | RTE_ETH_QINQ_STRIP_OFFLOAD));
	if (!promiscuous || e->driver->no_addresses)
		return;
	error = rte_eth_promiscuous_enable(e->port);
	if (error == 0)
		return;
	fc_event(s->events, LOG_WARNING, "%s: no promiscuous mode (%s): only what is sent to its own address comes",
		s->name, rte_strerror(-error));
	error = rte_eth_allmulticast_enable(e->port);
	if (error != 0)
		fc_event(s->events, LOG_WARNING, "%s: not all multicast frames either (%s)", s->name,
			rte_strerror(-error));
}

int fc_ethdev_configure(struct fc_source *s, struct fc_ethdev *e, const struct fc_source_config *config)
{
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	uint8_t key[UINT8_MAX]; // borrowed by the configuration
	uint16_t tx_queues;
	int error = rte_eth_dev_info_get(e->port, &info);

	if (error != 0)
		return fc_error(-error, "%s: the device tells nothing about itself: %s", s->name, rte_strerror(-error));
	e->driver = fc_driver_find(info.driver_name);
	e->if_index = info.if_index;
	error = check_queues(s, e, &info);
	if (error == 0)
		error = check_descriptors(s, &info, e->descriptors);
	if (error == 0)
		error = check_buffers(s, e);
	if (error != 0)
		return error;
	s->numa_node = rte_eth_dev_socket_id(e->port);
	error = fc_source_pool(s, true);
	if (error != 0)
		return error;
	set_frame_size(s, e, &info, &conf);
	fc_ethdev_rss_configure(s, &info, &conf, key);
	fc_hw_clock_configure(&info, &conf);
	conf.intr_conf.rmv = (*info.dev_flags & RTE_ETH_DEV_INTR_RMV) != 0;
	// Some drivers want queues in pairs (af_xdp, tap), some have no tx queue at all.
	tx_queues = (uint16_t)RTE_MIN(s->rx_queues, info.max_tx_queues);
	error = rte_eth_dev_configure(e->port, s->rx_queues, tx_queues, &conf);
	if (error != 0)
		return fc_error(
			-error, "%s: cannot configure %u rx queues: %s", s->name, s->rx_queues, rte_strerror(-error));
	error = set_up_queues(s, e, tx_queues);
	if (error == 0)
		set_reception(s, e, config->promiscuous);
	return error;
}
