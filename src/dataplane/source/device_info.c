// What a DPDK device says of itself: for `fastcapa devices` and `doctor`, never for a capture.
#include <errno.h>
#include <inttypes.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <stdio.h>
#include <string.h>

#include "../dataplane.h"
#include "../error.h"

// Packet types that a device can hash for RSS. DPDK has the bits and no names for them.
static const struct {
	uint64_t bit;
	const char *name;
} hash_types[] = {
	{RTE_ETH_RSS_IPV4, "ipv4"},
	{RTE_ETH_RSS_FRAG_IPV4, "ipv4-frag"},
	{RTE_ETH_RSS_NONFRAG_IPV4_TCP, "ipv4-tcp"},
	{RTE_ETH_RSS_NONFRAG_IPV4_UDP, "ipv4-udp"},
	{RTE_ETH_RSS_NONFRAG_IPV4_SCTP, "ipv4-sctp"},
	{RTE_ETH_RSS_NONFRAG_IPV4_OTHER, "ipv4-other"},
	{RTE_ETH_RSS_IPV6, "ipv6"},
	{RTE_ETH_RSS_FRAG_IPV6, "ipv6-frag"},
	{RTE_ETH_RSS_NONFRAG_IPV6_TCP, "ipv6-tcp"},
	{RTE_ETH_RSS_NONFRAG_IPV6_UDP, "ipv6-udp"},
	{RTE_ETH_RSS_NONFRAG_IPV6_SCTP, "ipv6-sctp"},
	{RTE_ETH_RSS_NONFRAG_IPV6_OTHER, "ipv6-other"},
	{RTE_ETH_RSS_IPV6_EX, "ipv6-ex"},
	{RTE_ETH_RSS_IPV6_TCP_EX, "ipv6-tcp-ex"},
	{RTE_ETH_RSS_IPV6_UDP_EX, "ipv6-udp-ex"},
	{RTE_ETH_RSS_L2_PAYLOAD, "l2-payload"},
	{RTE_ETH_RSS_ETH, "eth"},
	{RTE_ETH_RSS_S_VLAN, "s-vlan"},
	{RTE_ETH_RSS_C_VLAN, "c-vlan"},
	{RTE_ETH_RSS_MPLS, "mpls"},
	{RTE_ETH_RSS_VXLAN, "vxlan"},
	{RTE_ETH_RSS_GENEVE, "geneve"},
	{RTE_ETH_RSS_NVGRE, "nvgre"},
	{RTE_ETH_RSS_GTPU, "gtpu"},
	{RTE_ETH_RSS_ESP, "esp"},
	{RTE_ETH_RSS_AH, "ah"},
	{RTE_ETH_RSS_L2TPV3, "l2tpv3"},
	{RTE_ETH_RSS_PPPOE, "pppoe"},
};

static bool find(const char *devargs, uint16_t *port)
{
	struct rte_dev_iterator iterator;
	uint16_t id;

	RTE_ETH_FOREACH_MATCHING_DEV(id, devargs, &iterator)
	{
		rte_eth_iterator_cleanup(&iterator);
		*port = id;
		return true;
	}
	return false;
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

// Words with a space between them; a list that does not fit ends early, and all do.
static void append(char *list, size_t size, const char *word)
{
	size_t used = strlen(list);

	snprintf(list + used, size - used, "%s%s", used == 0 ? "" : " ", word);
}

static void fill_lists(struct fc_device_info *info, const struct rte_eth_dev_info *device)
{
	uint64_t bit;
	size_t k;

	for (k = 0; k < RTE_DIM(hash_types); k++)
		if ((device->flow_type_rss_offloads & hash_types[k].bit) != 0)
			append(info->hash_types, sizeof info->hash_types, hash_types[k].name);
	for (bit = 1; bit != 0; bit <<= 1)
		if ((device->rx_offload_capa & bit) != 0)
			append(info->rx_offloads, sizeof info->rx_offloads, rte_eth_dev_rx_offload_name(bit));
}

int fc_device_describe(const char *devargs, struct fc_device_info *info)
{
	struct rte_eth_dev_info device;
	struct rte_ether_addr mac;
	struct rte_eth_link link;
	uint16_t port;
	int error;

	*info = (struct fc_device_info){0};
	// The EAL has probed the PCI devices of --allow by itself.
	if (!find(devargs, &port)) {
		error = rte_dev_probe(devargs);
		if (error != 0)
			return fc_error(-error, "cannot open DPDK device '%s': %s", devargs, probe_problem(error));
		if (!find(devargs, &port))
			return fc_error(ENODEV, "DPDK device '%s' has no Ethernet port", devargs);
	}
	error = rte_eth_dev_info_get(port, &device);
	if (error != 0)
		return fc_error(-error, "%s: the device tells nothing about itself: %s", devargs, rte_strerror(-error));
	snprintf(info->driver, sizeof info->driver, "%s", device.driver_name);
	info->rx_queues_max = device.max_rx_queues;
	info->rx_descriptors_min = device.rx_desc_lim.nb_min;
	info->rx_descriptors_max = device.rx_desc_lim.nb_max;
	info->rx_descriptors_align = device.rx_desc_lim.nb_align;
	info->mtu_max = device.max_mtu;
	info->frame_bytes_max = device.max_rx_pktlen;
	info->hash_key_bytes = device.hash_key_size;
	info->reta_entries = device.reta_size;
	info->numa_node = rte_eth_dev_socket_id(port);
	fill_lists(info, &device);
	if (rte_eth_macaddr_get(port, &mac) == 0)
		rte_ether_format_addr(info->mac, sizeof info->mac, &mac);
	if (rte_eth_link_get_nowait(port, &link) == 0) {
		info->link_up = link.link_status == RTE_ETH_LINK_UP;
		info->speed_mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
	}
	rte_eth_dev_close(port);
	return 0;
}
