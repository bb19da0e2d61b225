#include "drivers.h"

#include <rte_common.h>
#include <stdlib.h>
#include <string.h>

// As DPDK 22.11's drivers behave; what was measured is in ARCHITECTURE.md.
static const struct fc_driver drivers[] = {
	{
		.name = "net_null",
		.spread = "each queue makes its own packets",
		.no_addresses = true,
		.frame_bytes_arg = "size=",
		.frame_bytes = 64,
	},
	{
		.name = "net_ring",
		.spread = "whoever fills the rings chooses the queue",
		.no_addresses = true,
	},
	{
		.name = "net_pcap",
		.spread = "each file or interface of the devargs is a queue",
		.queues = "rx_pcap=, rx_iface= or iface= for each queue",
		.no_mbuf_is_loss = true,
		.no_addresses = true,
	},
	{
		.name = "net_tap",
		.spread = "the kernel spreads by a symmetric hash of the flow",
		.no_mbuf_is_loss = true,
		.longer_frames = true,
		.hidden = FC_HIDDEN_TAP,
	},
	{
		.name = "net_af_xdp",
		.spread = "the interface's own RSS spreads (`ethtool -x` shows it)",
		.queues = "queue_count=",
		.hidden = FC_HIDDEN_XDP,
	},
	{
		.name = "net_af_packet",
		.spread = "the kernel spreads by a hash of the flow",
		.queues = "qpairs=",
		.hidden = FC_HIDDEN_PACKET,
		.frame_bytes_arg = "framesz=",
		.frame_bytes = 2048,
	},
};

static const struct fc_driver unknown = {.name = ""};

const struct fc_driver *fc_driver_find(const char *name)
{
	size_t k;

	for (k = 0; k < RTE_DIM(drivers); k++)
		if (strcmp(drivers[k].name, name) == 0)
			return &drivers[k];
	return &unknown;
}

uint32_t fc_driver_frame_bytes(const struct fc_driver *driver, const char *devargs)
{
	const char *argument;

	if (driver->frame_bytes_arg == NULL)
		return 0;
	for (argument = strchr(devargs, ','); argument != NULL; argument = strchr(argument, ',')) {
		argument++;
		if (strncmp(argument, driver->frame_bytes_arg, strlen(driver->frame_bytes_arg)) == 0)
			return (uint32_t)strtoul(argument + strlen(driver->frame_bytes_arg), NULL, 0);
	}
	return driver->frame_bytes;
}
