// How a device spreads packets over its rx queues: Receive Side Scaling with a symmetric key.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "ethdev.h"

// Addresses and ports, whichever of them the device can hash; fragments and other protocols by their addresses.
#define WANTED (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_SCTP)

// These two bytes over and over give a Toeplitz hash that is the same for both directions of a conversation: Woo and
// Park, "Scalable TCP Session Monitoring with Symmetric Receive-side Scaling" (2012).
static const uint8_t symmetric[2] = {0x6d, 0x5a};

static void fill_key(uint8_t *key, unsigned bytes)
{
	unsigned k;

	for (k = 0; k < bytes; k++)
		key[k] = symmetric[k % 2];
}

void fc_ethdev_rss_configure(
	const struct fc_source *s, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf, uint8_t *key)
{
	uint64_t functions = info->flow_type_rss_offloads & WANTED;

	if (s->rx_queues == 1 || functions == 0)
		return;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf.rss_hf = functions;
	if (info->hash_key_size == 0) // it has a key of its own
		return;
	fill_key(key, info->hash_key_size);
	conf->rx_adv_conf.rss_conf.rss_key = key;
	conf->rx_adv_conf.rss_conf.rss_key_len = info->hash_key_size;
}

static const char *name_functions(uint64_t functions, char *text, size_t size)
{
	static const struct {
		uint64_t functions;
		const char *name;
	} names[] = {
		{RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER, "ipv4"},
		{RTE_ETH_RSS_FRAG_IPV4, "ipv4-frag"},
		{RTE_ETH_RSS_NONFRAG_IPV4_TCP, "ipv4-tcp"},
		{RTE_ETH_RSS_NONFRAG_IPV4_UDP, "ipv4-udp"},
		{RTE_ETH_RSS_NONFRAG_IPV4_SCTP, "ipv4-sctp"},
		{RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_OTHER | RTE_ETH_RSS_IPV6_EX, "ipv6"},
		{RTE_ETH_RSS_FRAG_IPV6, "ipv6-frag"},
		{RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_IPV6_TCP_EX, "ipv6-tcp"},
		{RTE_ETH_RSS_NONFRAG_IPV6_UDP | RTE_ETH_RSS_IPV6_UDP_EX, "ipv6-udp"},
		{RTE_ETH_RSS_NONFRAG_IPV6_SCTP, "ipv6-sctp"},
	};
	size_t used = 0, k;

	*text = '\0';
	for (k = 0; k < RTE_DIM(names); k++)
		if ((functions & names[k].functions) != 0 && used < size)
			used += (size_t)snprintf(text + used, size - used, "%s%s", used > 0 ? " " : "", names[k].name);
	return text;
}

// What the device says, not what was asked for. Drivers fill in up to the length that they want.
static bool key_is_symmetric(const struct rte_eth_rss_conf *active, const uint8_t *key, unsigned bytes)
{
	unsigned k;

	for (k = 0; k < bytes; k++)
		if (key[k] != symmetric[k % 2])
			return false;
	return active->rss_key != NULL && bytes > 0;
}

void fc_ethdev_rss_report(const struct fc_source *s, const struct fc_ethdev *e)
{
	uint8_t key[UINT8_MAX] = {0};
	struct rte_eth_rss_conf active = {.rss_key = key, .rss_key_len = sizeof key};
	struct rte_eth_dev_info info;
	char names[160];

	if (s->rx_queues == 1)
		return;
	if (e->driver->spread != NULL) {
		fc_event(s->events, LOG_INFO, "%s: %u rx queues; %s", s->name, s->rx_queues, e->driver->spread);
		return;
	}
	if (rte_eth_dev_info_get(e->port, &info) != 0 || (info.flow_type_rss_offloads & WANTED) == 0) {
		fc_event(s->events, LOG_WARNING,
			"%s: %u rx queues, but the device offers no RSS function for IP: how packets spread is up to "
			"it",
			s->name, s->rx_queues);
		return;
	}
	if (rte_eth_dev_rss_hash_conf_get(e->port, &active) != 0)
		active = (struct rte_eth_rss_conf){.rss_hf = info.flow_type_rss_offloads & WANTED};
	fc_event(s->events, LOG_INFO, "%s: %u rx queues; RSS by %s, %s", s->name, s->rx_queues,
		name_functions(active.rss_hf, names, sizeof names),
		key_is_symmetric(&active, key, info.hash_key_size)
			? "symmetric: both directions of a conversation are in one queue"
			: "with the device's own key: the directions of a conversation may be in two queues");
}
